using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sockwatch.Aggregation;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Receivers that cannot be reached or do not answer, each with a real socket on the other side.</summary>
public sealed class OtlpUnreachableTests : OtlpFailure
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nobody_listens(bool grpc) =>
        Push($"http://127.0.0.1:{FreePort()}", grpc, "connection_refused");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_name_is_not_known(bool grpc) => Push("http://receiver.invalid:4317", grpc, "dns");

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_takes_the_connection_and_never_answers(bool grpc)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        Push($"http://{listener.LocalEndpoint}", grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_answers_too_late(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = async context =>
        {
            await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted);
            return true;
        };

        Push(receiver.Endpoint, grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_begins_to_answer_and_never_ends(bool grpc)
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc);
        receiver.Misbehave = async context =>
        {
            context.Response.ContentType = grpc ? "application/grpc" : "application/x-protobuf";
            await context.Response.StartAsync();
            await context.Response.Body.FlushAsync();
            await Task.Delay(TimeSpan.FromSeconds(20), context.RequestAborted);
            return true;
        };

        Push(receiver.Endpoint, grpc, "timed_out");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_closes_its_half_of_the_connection(bool grpc)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepted = new List<Socket>();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync();
                accepted.Add(socket);
                await socket.ReceiveAsync(new byte[10]);
                socket.Shutdown(SocketShutdown.Send);
            }
        });

        Push($"http://{listener.LocalEndpoint}", grpc, "connection_lost");
    }

    [Fact]
    public async Task It_speaks_HTTP_where_gRPC_was_expected()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: false);

        Push(receiver.Endpoint, grpc: true, "protocol", "connection_lost");
    }

    [Fact]
    public async Task It_speaks_gRPC_where_HTTP_was_expected()
    {
        await using var receiver = await OtlpReceiver.StartAsync(grpc: true);

        Push(receiver.Endpoint, grpc: false, "rejected", "protocol");
    }

    [Fact]
    public void Something_else_has_the_port()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync();
                await socket.SendAsync("220 mail.example ESMTP\r\n"u8.ToArray());
            }
        });

        Push($"http://{listener.LocalEndpoint}", grpc: false, "protocol");
    }
}
