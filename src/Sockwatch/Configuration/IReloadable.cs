using Microsoft.Extensions.Configuration;

namespace Sockwatch.Configuration;

/// <summary>A part of the configuration that can change while the agent runs.</summary>
internal interface IReloadable
{
    /// <summary>As in <c>enrichment.networks</c>; with everything under it.</summary>
    string Key { get; }

    /// <summary>Called when something under the key has changed. The settings are checked, and all of the configuration.</summary>
    void Reload(IConfiguration configuration);
}
