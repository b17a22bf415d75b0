using Sockwatch.Aggregation;
using Sockwatch.Kernel;
using Sockwatch.Payload;
using Sockwatch.Reader;

namespace Sockwatch.Exporters.Trace;

/// <summary>What traces are made from.</summary>
internal sealed class TraceSource(
    IFlowNaming naming, IProcessLineage lineage, IKernelSwitches kernel, IKernelTotals totals, BootClock clock, FlowLogIdentity identity,
    FlowPayloads? payloads = null)
{
    /// <summary>Whoever reads records hands them to what this returns, until it is stopped.</summary>
    /// <param name="makeOutput">Where lines go; it may ask the trace what was lost.</param>
    public TraceRun Begin(TraceOrder order, Func<TraceRun, IFlowLogOutput> makeOutput)
    {
        IFlowLineFormat format = order.AsJson ? new FlowLogJson(naming, clock, identity, payloads) : new TraceLine(naming, clock);
        var run = new TraceRun(kernel, totals);
        run.Start(order, format, new TraceFilter(order.Choice, naming, lineage, run.Epoch), makeOutput(run));
        return run;
    }
}

/// <summary>What a trace is to show, and how much may wait for whoever looks at it.</summary>
internal sealed record TraceOrder(TraceChoice Choice, bool AsJson, long MaxLines, int QueueLength);
