using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Xunit;

namespace Sockwatch.Tests.Exporters.Otlp;

/// <summary>Readers of OTLP that are not ours. What is missing skips the test with its reason.</summary>
internal static class Receivers
{
    private const string Python = "/usr/bin/python3";

    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../.."));
    private static readonly string Folder = Path.Combine(Root, "artifacts/receivers");

    public static string VictoriaMetrics => Fetched("victoria-metrics");

    /// <summary>What Python's opentelemetry-proto makes of requests.</summary>
    /// <param name="signal">metrics, logs or traces.</param>
    public static async Task<IReadOnlyList<JsonElement>> DecodeAsync(string signal, IEnumerable<byte[]> requests)
    {
        var directory = Directory.CreateTempSubdirectory("sockwatch-test-");
        try
        {
            var files = requests.Select((request, index) =>
            {
                var path = Path.Combine(directory.FullName, $"{index}");
                File.WriteAllBytes(path, request);
                return path;
            }).ToList();
            using var python = StartPython("decode.py", [signal, .. files]);
            var errors = python.StandardError.ReadToEndAsync();
            var output = await python.StandardOutput.ReadToEndAsync();
            await python.WaitForExitAsync();
            Assert.True(python.ExitCode == 0, await errors);
            return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    /// <summary>A program of tests/receivers.</summary>
    public static Process StartPython(string program, string[] arguments, params (string Module, string Package)[] modules)
    {
        var fetched = Path.GetDirectoryName(Fetched("python/opentelemetry"))!;
        Assert.SkipUnless(File.Exists(Python), $"{Python} is not installed (Debian package python3)");
        foreach (var (module, package) in modules.Prepend(("google/protobuf", "python3-protobuf")))
        {
            Assert.SkipUnless(Directory.Exists($"/usr/lib/python3/dist-packages/{module}"), $"Python's {module} is not installed (Debian package {package})");
        }

        return Process.Start(new ProcessStartInfo(Python, [Path.Combine(Root, "tests/receivers", program), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PYTHONPATH"] = fetched, ["PYTHONDONTWRITEBYTECODE"] = "1" },
        })!;
    }

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static string Fetched(string name)
    {
        var path = Path.Combine(Folder, name);
        var reason = Path.Combine(Folder, "unavailable");
        Assert.SkipUnless(
            File.Exists(path) || Directory.Exists(path),
            File.Exists(reason) ? File.ReadAllText(reason).Trim() : $"artifacts/receivers/{name} is missing: run tests/receivers/fetch");
        return path;
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
