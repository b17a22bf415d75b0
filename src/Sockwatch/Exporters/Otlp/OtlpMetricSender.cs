using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Hands what one reader collected to the one exporter that all readers share, and watches how it goes.</summary>
internal sealed class OtlpMetricSender(OtlpMetricExporter exporter, OtlpDelivery delivery, OtlpTemporality temporality) : BaseExporter<Metric>
{
    /// <summary>Set before the reader is disposed, which collects once more of its own accord.</summary>
    public bool IsClosed { get; set; }

    public override ExportResult Export(in Batch<Metric> batch)
    {
        if (IsClosed || batch.Count == 0)
        {
            return ExportResult.Success;
        }

        return delivery.Send(exporter, batch, mayRepeat: temporality == OtlpTemporality.Cumulative).IsDelivered ? ExportResult.Success : ExportResult.Failure;
    }
}
