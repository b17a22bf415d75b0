using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Takes flow records as they are drained. Called on the reader's thread, so it must not block.</summary>
internal interface IFlowRecordSink
{
    void OnRecord(in FlowRecord record);
}
