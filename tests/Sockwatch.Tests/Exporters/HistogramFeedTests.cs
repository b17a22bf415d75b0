using System.Collections.Immutable;
using System.Globalization;
using Prometheus;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class HistogramFeedTests
{
    private static readonly ImmutableArray<double> Bounds = MetricCatalogue.ConnectDuration.Buckets;

    [Fact]
    public async Task Shows_the_true_sum_and_the_true_buckets_whatever_was_measured()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var registry = Metrics.NewCustomRegistry();
            var feed = new HistogramFeed(NewHistogram(registry), Bounds);
            var total = new Latency();
            for (var round = random.Next(1, 6); round > 0; round--)
            {
                for (var samples = random.Next(0, 40); samples > 0; samples--)
                {
                    Add(ref total, Sample(random));
                }

                feed.Feed(total);
            }

            var (buckets, sum, count) = await Read(registry);
            var cumulative = 0UL;
            for (var i = 0; i < LatencyBuckets.Length; i++)
            {
                cumulative += total.Buckets[i];
                Assert.Equal(cumulative, buckets[i]);
            }

            Assert.Equal(total.Count, count);
            Assert.InRange(sum, (total.SumNs / 1e9 * (1 - 1e-6)) - 1e-12, (total.SumNs / 1e9 * (1 + 1e-6)) + 1e-12);
        }
    }

    [Fact]
    public async Task Makes_up_for_a_sum_that_was_read_too_early()
    {
        var registry = Metrics.NewCustomRegistry();
        var feed = new HistogramFeed(NewHistogram(registry), Bounds);
        var total = Some.Latency(20_000_000_000);

        feed.Feed(total with { SumNs = 0 });
        Add(ref total, 10_000_000_000);
        feed.Feed(total);

        var (_, sum, count) = await Read(registry);
        Assert.Equal(2UL, count);
        Assert.Equal(30.0, sum, precision: 6);
    }

    [Fact]
    public async Task Observes_nothing_when_nothing_was_added()
    {
        var registry = Metrics.NewCustomRegistry();
        var feed = new HistogramFeed(NewHistogram(registry), Bounds);

        feed.Feed(Some.Latency(60_000));
        feed.Feed(Some.Latency(60_000));

        Assert.Equal(1UL, (await Read(registry)).Count);
    }

    private static ulong Sample(Random random) => random.Next(10) switch
    {
        0 => 0,
        1 => LatencyBounds.Latency[random.Next(16)], // on a bound, which is inclusive
        2 => LatencyBounds.Latency[random.Next(16)] + 1,
        3 => (ulong)random.NextInt64(30_000_000_000, 4_000_000_000_000),
        _ => (ulong)Math.Pow(10, 3 + (random.NextDouble() * 7)),
    };

    private static void Add(ref Latency total, ulong nanoseconds)
    {
        var bucket = LatencyBounds.Latency.BinarySearch(nanoseconds);
        total.Buckets[bucket < 0 ? ~bucket : bucket]++;
        total.SumNs += nanoseconds;
    }

    private static Histogram.Child NewHistogram(CollectorRegistry registry) =>
        Metrics.WithCustomRegistry(registry)
            .CreateHistogram("h", "h", ["l"], new HistogramConfiguration { Buckets = [.. Bounds] })
            .WithLabels("x");

    private static async Task<(ulong[] Buckets, double Sum, ulong Count)> Read(CollectorRegistry registry)
    {
        using var page = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(page, CancellationToken.None);
        var lines = System.Text.Encoding.UTF8.GetString(page.ToArray()).Split('\n');
        string Value(string name) => lines.Single(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ')[^1];
        return (
            [.. lines.Where(line => line.StartsWith("h_bucket", StringComparison.Ordinal)).Select(line => ulong.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture))],
            double.Parse(Value("h_sum"), CultureInfo.InvariantCulture),
            ulong.Parse(Value("h_count"), CultureInfo.InvariantCulture));
    }
}
