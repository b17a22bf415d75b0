using Sockwatch.Kernel;
using Sockwatch.Payload;

namespace Sockwatch.Exporters.Trace;

/// <summary>For a trace with programs of its own: only what it may show is captured at all.</summary>
internal sealed class TracedPayload(PayloadList list, TraceRun trace) : IPayloadList
{
    public PayloadVerdict Decide(in FlowRecord record) => trace.Chooses(in record) ? list.Decide(in record) : PayloadVerdict.Unwanted;

    public bool IsForGood(in FlowRecord record) => false;
}
