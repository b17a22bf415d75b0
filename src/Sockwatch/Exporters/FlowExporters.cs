using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Exporters;

/// <summary>One of the places that flow records go to. None of them may block, and none knows of the others.</summary>
internal interface IFlowExporter : IFlowRecordSink;

/// <summary>What the reader hands its records to: every exporter there is.</summary>
internal sealed class FlowExporters(IEnumerable<IFlowExporter> exporters) : IFlowRecordSink
{
    private readonly IFlowExporter[] _exporters = [.. exporters];

    public void OnRecord(in FlowRecord record)
    {
        foreach (var exporter in _exporters)
        {
            exporter.OnRecord(in record);
        }
    }

    public void OnPayload(in FlowRecord record, PayloadPiece piece)
    {
        foreach (var exporter in _exporters)
        {
            exporter.OnPayload(in record, piece);
        }
    }
}
