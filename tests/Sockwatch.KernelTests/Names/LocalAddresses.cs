using Sockwatch.KernelTests.Agents;

namespace Sockwatch.KernelTests.Names;

/// <summary>Addresses that are on no loopback network and never leave this machine: they are its own while the test runs.</summary>
internal sealed class LocalAddresses : IAsyncDisposable
{
    private readonly string[] _addresses;

    private LocalAddresses(string[] addresses) => _addresses = addresses;

    public static async Task<LocalAddresses> AddAsync(params string[] addresses)
    {
        var ip = Requires.Program("ip", "iproute2");
        var added = new LocalAddresses(addresses);
        foreach (var address in addresses)
        {
            var bits = address.Contains(':') ? 128 : 32;
            await Shell.RunAsync(ip, "address", "delete", $"{address}/{bits}", "dev", "lo");
            var run = await Shell.RunAsync(ip, ["address", "add", $"{address}/{bits}", "dev", "lo", .. bits == 128 ? ["nodad"] : Array.Empty<string>()]);
            Assert.SkipWhen(run.ExitCode != 0, $"no address can be added here: {run.Errors}");
        }

        return added;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var address in _addresses)
        {
            await Shell.RunAsync("ip", "address", "delete", $"{address}/{(address.Contains(':') ? 128 : 32)}", "dev", "lo");
        }
    }
}
