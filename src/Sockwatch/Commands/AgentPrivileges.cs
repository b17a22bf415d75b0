using Microsoft.Extensions.Configuration;
using Sockwatch.Configuration;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Otlp;
using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Commands;

/// <summary>
/// The capabilities that <c>sockwatch run</c> makes use of with its settings on this machine. Those for BPF are kept as long
/// as it runs: a hook that is lost is attached again.
/// </summary>
internal static class AgentPrivileges
{
    private const int FirstUnprivilegedPort = 1024;

    public static CapabilitySet Of(IConfiguration configuration, string? configurationFile, CommandContext context)
    {
        var host = HostFacts.Read(context.Paths);
        var payload = configuration.GetSection("Payload").Get<PayloadOptions>() ?? new PayloadOptions();
        var wanted = new HashSet<Capability>(NeededCapability.On(host, payload.IsOn).Select(needed => needed.Capability));
        var stats = configuration.GetSection("Diagnostics").Get<DiagnosticsOptions>() ?? new DiagnosticsOptions();
        var kernel = configuration.GetSection("Kernel").Get<KernelOptions>() ?? new KernelOptions();
        var attaches = PerfEvents.AreKeptFromPerfmon(host) && PerfEvents.MayBeUsed(host, kernel.Backend, payload.IsOn);
        if (stats.ProgramStats == ProgramStatsMode.Off && host.Cgroups is not { Unified: null, OfContainer: null } && !attaches)
        {
            wanted.Remove(Capability.SysAdmin);
        }

        var http = configuration.GetSection("Http").Get<HttpOptions>() ?? new HttpOptions();
        if (ListenAddress.TryParse(http.Listen, out var listen) && listen.Port is > 0 and < FirstUnprivilegedPort)
        {
            wanted.Add(Capability.NetBindService);
        }

        // Root in a folder that is somebody else's, such as a home directory.
        if (Privileges.NeedOverride(Files(configuration, configurationFile, context)))
        {
            wanted.Add(Capability.DacOverride);
        }

        return CapabilitySet.Of(wanted);
    }

    private static IEnumerable<(string Path, FileAccess Access)> Files(IConfiguration configuration, string? configurationFile, CommandContext context)
    {
        var kernel = configuration.GetSection("Kernel").Get<KernelOptions>() ?? new KernelOptions();
        var otlp = configuration.GetSection("Otlp").Get<OtlpOptions>() ?? new OtlpOptions();
        string?[] read =
        [
            configurationFile, Path.Combine(context.AgentDirectory, "sockwatch.bpf.o"), kernel.Btf, .. OtlpSettings.Files(otlp, configuration),
            configuration["kubernetes:kubeconfig"],
        ];
        foreach (var path in read.OfType<string>().Where(path => path.Length > 0))
        {
            yield return (path, FileAccess.Read);
        }

        var agent = configuration.Get<AgentOptions>() ?? new AgentOptions();
        yield return (Existing(agent.StateDirectory), FileAccess.ReadWrite);
        var flowLog = configuration.GetSection("FlowLog").Get<FlowLogOptions>() ?? new FlowLogOptions();
        if (flowLog.Target is not ("-" or "none"))
        {
            // The folder too: the file is made anew when it is rotated.
            yield return (flowLog.Target, FileAccess.Write);
            yield return (Existing(Path.GetDirectoryName(Path.GetFullPath(flowLog.Target)) ?? "/"), FileAccess.ReadWrite);
        }
    }

    /// <summary>The directory, or the nearest one above it that is there.</summary>
    private static string Existing(string directory)
    {
        while (!Directory.Exists(directory) && Path.GetDirectoryName(directory) is { } above)
        {
            directory = above;
        }

        return directory;
    }
}
