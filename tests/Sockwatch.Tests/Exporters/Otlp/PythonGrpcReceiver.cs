using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>A receiver of OTLP over gRPC that is not ours: Python's grpc, with a folder for what it gets.</summary>
internal sealed class PythonGrpcReceiver : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private PythonGrpcReceiver(Process process, DirectoryInfo folder, int port)
    {
        _process = process;
        _folder = folder;
        Endpoint = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
    }

    public string Endpoint { get; }

    public static async Task<PythonGrpcReceiver> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-");
        var process = Receivers.StartPython("grpc_receiver.py", [folder.FullName], ("grpc", "python3-grpcio"));
        if (await process.StandardOutput.ReadLineAsync() is { } port)
        {
            return new PythonGrpcReceiver(process, folder, int.Parse(port, CultureInfo.InvariantCulture));
        }

        throw new InvalidOperationException(await process.StandardError.ReadToEndAsync());
    }

    /// <summary>All rows of all requests of a signal so far, as decode.py prints them.</summary>
    public async Task<IReadOnlyList<JsonElement>> RowsAsync(string signal)
    {
        var requests = _folder.GetFiles($"{signal}-*").Where(file => file.Extension.Length == 0).OrderBy(file => file.Name, StringComparer.Ordinal);
        var decoded = await Receivers.DecodeAsync(signal, requests.Select(file => File.ReadAllBytes(file.FullName)));
        return [.. decoded.SelectMany(request => request.GetProperty("rows").EnumerateArray())];
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _folder.Delete(recursive: true);
    }
}
