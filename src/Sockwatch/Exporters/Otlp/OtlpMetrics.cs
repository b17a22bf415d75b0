using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// Pushes the report every so often, on a thread of its own: what the receiver does or does not do holds up nobody. Totals
/// that could not be delivered are in the next request, because they are totals.
/// </summary>
internal sealed partial class OtlpMetrics : IHostedService, IDisposable
{
    public const string Scope = "sockwatch";

    private const int SelfStreams = 2_000;
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly IReportSource _reports;
    private readonly TimeSpan _interval;
    private readonly TimeProvider _time;
    private readonly ILogger<OtlpMetrics> _logger;
    private readonly OtlpDelivery _delivery;
    private readonly OtlpMetricExporter _exporter;
    private readonly Meter _meter = new(Scope, BuildInfo.Current.Version);
    private readonly MeterProvider _provider;

    // Never collects: the exporter asks the provider it was given to about the resource.
    private readonly MeterProvider _resource;
    private readonly OtlpSelf _self;
    private readonly BaseExportingMetricReader _reader;
    private readonly OtlpTraffic _traffic;
    private readonly CancellationTokenSource _stopping = new();
    private Task _pushing = Task.CompletedTask;

    public OtlpMetrics(
        IReportSource reports,
        ExportFailures failures,
        BuildInfo build,
        TimeProvider time,
        IOptions<OtlpOptions> options,
        IConfiguration configuration,
        ILogger<OtlpMetrics> logger)
    {
        _reports = reports;
        _interval = options.Value.Interval;
        _time = time;
        _logger = logger;
        _delivery = new OtlpDelivery(OtlpSettings.Of(OtlpSignal.Metrics, options.Value, configuration), failures, logger);
        _exporter = new OtlpMetricExporter(OtlpSettings.Of(OtlpSignal.Metrics, options.Value, configuration).ToLibrary(_delivery.Client));
        var resource = OtlpSettings.Resource(options.Value, build, Environment.GetEnvironmentVariable);
        _self = new OtlpSelf(_meter, failures, build);
        _reader = new BaseExportingMetricReader(new OtlpMetricSender(_exporter, _delivery, options.Value.Temporality)) { TemporalityPreference = Preference(options.Value.Temporality) };
        _resource = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddReader(new BaseExportingMetricReader(_exporter)).Build();
        _provider = Provider(resource, _meter, _reader, _ => SelfStreams);
        _traffic = new OtlpTraffic(resource, () => new OtlpMetricSender(_exporter, _delivery, options.Value.Temporality), options.Value.Temporality);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // The library's requests block, so this owns a thread instead of starving the pool.
        _pushing = Task.Factory.StartNew(PushUntilStopped, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(_pushing, Task.Delay(StopPatience, cancellationToken)).ConfigureAwait(false);
        _delivery.Dispose();
    }

    public void Dispose()
    {
        _delivery.Dispose();
        if (_pushing.IsCompleted)
        {
            _traffic.Dispose();
            _provider.Dispose();
            _resource.Dispose();
        }

        _meter.Dispose();
        _stopping.Dispose();
    }

    public int Groups => _traffic.Groups;

    /// <summary>One push.</summary>
    internal void Push(TrafficReport report)
    {
        _self.Report = report;
        _reader.Collect();
        _traffic.Publish(report.Series);
    }

    internal static MetricReaderTemporalityPreference Preference(OtlpTemporality temporality) => temporality == OtlpTemporality.Delta
        ? MetricReaderTemporalityPreference.Delta
        : MetricReaderTemporalityPreference.Cumulative;

    /// <summary>A provider for one meter among others of the same name.</summary>
    internal static MeterProvider Provider(ResourceBuilder resource, Meter meter, MetricReader reader, Func<string, int> streams) =>
        Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter(Scope)
            .AddView(instrument => ReferenceEquals(instrument.Meter, meter)
                ? new MetricStreamConfiguration { CardinalityLimit = streams(instrument.Name) }
                : MetricStreamConfiguration.Drop)
            .AddReader(reader)
            .Build();

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An exporter that fails stops nobody else.")]
    private void PushUntilStopped()
    {
        var stopping = _stopping.Token;
        var isFailing = false;
        while (true)
        {
            var ended = WaitForNext(stopping);
            try
            {
                // The last push, at the end, is of what is known: nobody is there to read the kernel once more.
                Push(ended ? _reports.Latest ?? TrafficReport.Empty : _reports.FreshAsync(stopping).AsTask().GetAwaiter().GetResult());
                isFailing = false;
            }
            catch (Exception failure) when (!ended)
            {
                if (!isFailing && !stopping.IsCancellationRequested)
                {
                    Log.Broken(_logger, PrintableText.Of(failure));
                }

                isFailing = true;
            }

            if (ended)
            {
                return;
            }
        }
    }

    private bool WaitForNext(CancellationToken stopping)
    {
        try
        {
            Task.Delay(_interval, _time, stopping).GetAwaiter().GetResult();
            return false;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Error, "Metrics cannot be pushed: {Reason}")]
        public static partial void Broken(ILogger logger, string reason);
    }
}
