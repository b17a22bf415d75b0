using System.Net;

namespace Sockwatch.Enrichment;

/// <summary>The host's resolver.</summary>
internal interface IReverseResolver
{
    Task<string> NameOfAsync(IPAddress address, CancellationToken cancellation);

    Task<IPAddress[]> AddressesOfAsync(string name, CancellationToken cancellation);
}

internal sealed class HostResolver : IReverseResolver
{
    public async Task<string> NameOfAsync(IPAddress address, CancellationToken cancellation) =>
        (await System.Net.Dns.GetHostEntryAsync(address.ToString(), cancellation).ConfigureAwait(false)).HostName;

    public Task<IPAddress[]> AddressesOfAsync(string name, CancellationToken cancellation) => System.Net.Dns.GetHostAddressesAsync(name, cancellation);
}
