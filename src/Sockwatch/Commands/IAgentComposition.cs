using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Commands;

/// <summary>How commands get the agent, or the part of it they need. A host is built, not started.</summary>
internal interface IAgentComposition
{
    /// <summary>The whole agent.</summary>
    IHost Agent(IConfiguration configuration);

    /// <summary>
    /// Kernel to records, for one trace: they go to the sink that <paramref name="sink"/> makes.
    /// </summary>
    IHost Trace(IConfiguration configuration, Func<TraceSource, IFlowRecordSink> sink);

    /// <summary>Kernel to reports. The host's services include <see cref="IReportSource"/>.</summary>
    IHost Top(IConfiguration configuration);

    /// <summary>Tries each hook by loading it.</summary>
    IHookProbe HookProbe(IConfiguration configuration, KernelOptions options, HostFacts host);
}
