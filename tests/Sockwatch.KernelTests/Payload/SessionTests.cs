using System.Text.Json;
using System.Text.RegularExpressions;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Payload;

/// <summary>The session that the kernel module before Sockwatch showed what it does by: a page is fetched by its name.</summary>
public partial class SessionTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_fetched_page_is_traced_line_by_line_and_field_by_field()
    {
        Requires.Bpf();
        var wget = Requires.Program("wget", "wget");
        var unshare = Requires.Program("unshare", "util-linux");
        Requires.Program("python3", "python3");
        Requires.Program("ip", "iproute2");
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        await using var trace = RunningTrace.Start(folder, "--exe", "wget", "--payload");
        await trace.SeesAsync(() => Shell.RunAsync(wget, "-q", "-O", "/dev/null", "--tries=1", "http://127.0.0.1:1/").Wait(), _ => true);

        var session = await Shell.RunAsync(unshare, "-n", "-m", Path.Combine(Repository.Root, "tests/Sockwatch.KernelTests/Payload/session"), folder);

        Assert.True(session.ExitCode == 0, session.Errors);
        var pid = session.Output.Trim();
        for (var i = 0; i < 200 && trace.Lines.Count(line => line.Contains($" pid {pid} ")) < 5; i++)
        {
            await Task.Delay(50);
        }

        await trace.StopAsync();
        var lines = trace.Lines.Where(line => line.Contains($" pid {pid} ")).ToList();
        lines.ForEach(output.WriteLine);

        // What the two servers saw is the truth about the ports and the bytes.
        var seen = File.ReadAllLines(Path.Combine(folder, "seen")).Select(line => JsonElement.Parse(line)).ToList();
        var dns = seen.First(one => one.TryGetProperty("dns", out _)).GetProperty("dns");
        var http = seen.Single(one => one.TryGetProperty("http", out _));
        var request = Unprintable().Replace(http.GetProperty("request").GetString()!, ".");
        var head = $"pid {pid} uid 500 filename {wget}";
        var udp = $"local_addr 172.16.231.199:{dns[1].GetInt32()}";
        var tcp = $"local_addr 172.16.231.199:{http.GetProperty("http")[1].GetInt32()} remote_addr 173.37.145.84:80 proto 6";
        var ids = lines.Select(line => SocketId().Match(line).Groups["id"].Value).ToList();

        Assert.Equal(
            [
                $"SEND {head} {udp} remote_addr 172.16.231.2:53 proto 17 sock_id {ids[0]}",
                $"RELEASE {head} {udp} proto 17 sock_id {ids[0]}",
                $"CONNECT {head} {tcp} sock_id {ids[2]}",
                $"SEND {head} {tcp} sock_id {ids[2]} payload [{request}] payload_seqnum 0",
                $"RELEASE {head} {tcp} sock_id {ids[2]}",
            ],
            lines.Select(line => line[(line.IndexOf(' ') + 1)..]));
        Assert.NotEqual(ids[0], ids[2]);
        Assert.StartsWith("GET / HTTP/1.1..", request);

        var times = lines.Select(line => DateTimeOffset.Parse(line[..line.IndexOf(' ')], System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(times.Order(), times);
        Assert.InRange(DateTimeOffset.UtcNow - times[0], TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    [GeneratedRegex(@" sock_id (?<id>\d+)")]
    private static partial Regex SocketId();

    [GeneratedRegex("[^ -~]")]
    private static partial Regex Unprintable();
}
