using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>Sends requests of one signal, counts what fails by reason, and says once when it starts to fail and once when it works again.</summary>
internal sealed partial class OtlpDelivery : IDisposable
{
    private readonly string _exporter;
    private readonly OtlpSettings _settings;
    private readonly OtlpWire _wire;
    private readonly HttpClient _client;
    private readonly ExportFailures _failures;
    private readonly ILogger _logger;
    private bool _isFailing;

    public OtlpDelivery(OtlpSettings settings, ExportFailures failures, ILogger logger)
    {
        _exporter = NameOf(settings.Signal);
        _settings = settings;
        _wire = OtlpWire.Over(settings);
        _client = new HttpClient(_wire) { Timeout = Timeout.InfiniteTimeSpan };
        _failures = failures;
        _logger = logger;
        foreach (var reason in OtlpOutcome.Reasons)
        {
            failures.Announce(_exporter, reason);
        }
    }

    /// <summary>For the library's exporters.</summary>
    public HttpClient Client() => _client;

    /// <summary>Blocks for as long as the request takes, which is bounded.</summary>
    /// <param name="mayRepeat">Whether it does no harm when the receiver gets the same request twice.</param>
    public OtlpOutcome Send<T>(BaseExporter<T> exporter, in Batch<T> batch, bool mayRepeat)
        where T : class
    {
        var outcome = TrySend(exporter, batch);
        if (mayRepeat && outcome.Reason == OtlpOutcome.ConnectionLost)
        {
            // Most often a connection that the receiver closed for being idle, just when it was taken up again.
            outcome = TrySend(exporter, batch);
        }

        Tell(outcome);
        return outcome;
    }

    public void Dispose() => _client.Dispose();

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    private OtlpOutcome TrySend<T>(BaseExporter<T> exporter, in Batch<T> batch)
        where T : class
    {
        _wire.Last = null;
        try
        {
            var result = exporter.Export(batch);
            return _wire.Last ?? (result == ExportResult.Success
                ? OtlpOutcome.Delivered
                : new OtlpOutcome(OtlpOutcome.TooLarge, "the request would be larger than 64 MiB", false));
        }
        catch (Exception failure)
        {
            return OtlpOutcome.Of(failure);
        }
    }

    public static string NameOf(OtlpSignal signal) => signal switch
    {
        OtlpSignal.Metrics => "otlp_metrics",
        OtlpSignal.Logs => "otlp_logs",
        _ => "otlp_spans",
    };

    private void Tell(OtlpOutcome outcome)
    {
        if (!outcome.IsDelivered)
        {
            _failures.Count(_exporter, outcome.Reason);
        }

        if (outcome.IsDelivered == _isFailing)
        {
            _isFailing = !outcome.IsDelivered;
            if (_isFailing)
            {
                Log.Failing(_logger, _exporter, PrintableText.Of(_settings.Endpoint.GetLeftPart(UriPartial.Path)), PrintableText.Of(outcome.Detail));
            }
            else
            {
                Log.Recovered(_logger, _exporter, PrintableText.Of(_settings.Endpoint.GetLeftPart(UriPartial.Path)));
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "{Exporter} cannot be delivered to {Endpoint}: {Reason}. Failures are counted until it can")]
        public static partial void Failing(ILogger logger, string exporter, string endpoint, string reason);

        [LoggerMessage(LogLevel.Warning, "{Exporter} is delivered to {Endpoint} again")]
        public static partial void Recovered(ILogger logger, string exporter, string endpoint);
    }
}
