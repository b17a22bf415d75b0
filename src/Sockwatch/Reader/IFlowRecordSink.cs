using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Takes flow records as they are drained. Called on the reader's thread, so it must not block.</summary>
internal interface IFlowRecordSink
{
    void OnRecord(in FlowRecord record);

    /// <summary>What was sent or received, while that is captured.</summary>
    /// <param name="record">Of the flow, and of the process that made the call.</param>
    void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
    }
}
