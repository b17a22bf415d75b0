using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;

namespace Sockwatch.Enrichment;

/// <summary>Puts the networks of a changed configuration in force.</summary>
internal sealed class NetworkReload(NetworkNames networks) : IReloadable
{
    public string Key => "enrichment.networks";

    public void Reload(IConfiguration configuration)
    {
        var options = configuration.GetSection("Enrichment").Get<EnrichmentOptions>() ?? new EnrichmentOptions();
        networks.Replace(new NetworkTable(options.Networks));
    }
}
