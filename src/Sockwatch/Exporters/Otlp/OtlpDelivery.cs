using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Sends requests of one signal and counts what fails by reason. How a push fared as a whole it is told, and says once when they
/// start to fail and once when they work again: a receiver that takes some requests of each push and refuses others fills no log.
/// </summary>
internal sealed partial class OtlpDelivery : IDisposable
{
    private readonly string _exporter;
    private readonly OtlpSettings _settings;
    private readonly OtlpWire _wire;
    private readonly HttpClient _client;
    private readonly OtlpPost _post;
    private readonly ExportFailures _failures;
    private readonly ILogger _logger;
    private bool _isFailing;
    private bool _isPartial;

    public OtlpDelivery(OtlpSettings settings, ExportFailures failures, ILogger logger)
    {
        _exporter = NameOf(settings.Signal);
        _settings = settings;
        _wire = OtlpWire.Over(settings);
        _client = new HttpClient(_wire) { Timeout = Timeout.InfiniteTimeSpan };
        _post = new OtlpPost(settings);
        _failures = failures;
        _logger = logger;
        foreach (var reason in OtlpOutcome.Reasons)
        {
            failures.Announce(_exporter, reason);
        }
    }

    /// <summary>For the library's exporters.</summary>
    public HttpClient Client() => _client;

    /// <summary>Sends by one of the library's exporters. Blocks for as long as the request takes, which is bounded.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    public OtlpOutcome Send<T>(BaseExporter<T> exporter, in Batch<T> batch)
        where T : class
    {
        _wire.Last = null;
        OtlpOutcome outcome;
        try
        {
            var result = exporter.Export(batch);
            outcome = _wire.Last ?? (result == ExportResult.Success
                ? OtlpOutcome.Delivered
                : new OtlpOutcome(OtlpOutcome.TooLarge, "the request would be larger than 64 MiB", false));
        }
        catch (Exception failure)
        {
            outcome = OtlpOutcome.Of(failure);
        }

        Count(outcome);
        return outcome;
    }

    /// <summary>Sends a message that is ready. Blocks likewise.</summary>
    /// <param name="mayRepeat">Whether it does no harm when the receiver gets the same request twice.</param>
    public OtlpOutcome Send(ReadOnlyMemory<byte> message, bool mayRepeat)
    {
        var body = _post.Body(message);
        var outcome = TryPost(body);
        if (mayRepeat && outcome.Reason == OtlpOutcome.ConnectionLost)
        {
            outcome = TryPost(body);
        }

        Count(outcome);
        return outcome;
    }

    /// <summary>Says how a push fared, when that is news.</summary>
    /// <param name="outcome">The worst of its requests.</param>
    public void Tell(OtlpOutcome outcome)
    {
        if (outcome.WasTaken == _isFailing)
        {
            _isFailing = !outcome.WasTaken;
            if (_isFailing)
            {
                Log.Failing(_logger, _exporter, Receiver, PrintableText.Of(outcome.Detail));
            }
            else
            {
                _isPartial = false;
                Log.Recovered(_logger, _exporter, Receiver);
            }
        }

        if (outcome.Reason == OtlpOutcome.PartialSuccess && !_isPartial)
        {
            _isPartial = true;
            Log.Partial(_logger, _exporter, Receiver, outcome.Rejected, PrintableText.Of(outcome.Detail));
        }
    }

    public void Dispose() => _client.Dispose();

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails is counted and stops nobody else.")]
    private OtlpOutcome TryPost(ReadOnlyMemory<byte> body)
    {
        _wire.Last = null;
        try
        {
            using var request = _post.Request(body);
            using var answer = _client.SendAsync(request).GetAwaiter().GetResult();
            return _wire.Last!;
        }
        catch (Exception failure)
        {
            return _wire.Last ?? OtlpOutcome.Of(failure);
        }
    }

    public static string NameOf(OtlpSignal signal) => signal switch
    {
        OtlpSignal.Metrics => "otlp_metrics",
        OtlpSignal.Logs => "otlp_logs",
        _ => "otlp_spans",
    };

    private string Receiver => PrintableText.Of(_settings.Endpoint.GetLeftPart(UriPartial.Path));

    private void Count(OtlpOutcome outcome)
    {
        if (!outcome.IsDelivered)
        {
            _failures.Count(_exporter, outcome.Reason);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning, "{Exporter} cannot be delivered to {Endpoint}: {Reason}. Failures are counted until it can")]
        public static partial void Failing(ILogger logger, string exporter, string endpoint, string reason);

        [LoggerMessage(LogLevel.Warning, "{Exporter} is delivered to {Endpoint} again")]
        public static partial void Recovered(ILogger logger, string exporter, string endpoint);

        [LoggerMessage(LogLevel.Warning, "{Exporter}: {Endpoint} takes requests but refuses some of what they hold, {Count} this time: {Reason}. What it refuses is counted")]
        public static partial void Partial(ILogger logger, string exporter, string endpoint, long count, string reason);
    }
}
