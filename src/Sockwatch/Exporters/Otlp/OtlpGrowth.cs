using System.Collections.Immutable;
using Sockwatch.Aggregation;
using Sockwatch.Kernel;

namespace Sockwatch.Exporters.Otlp;

/// <summary>
/// What a receiver of differences has got so far. Only what it has taken counts as sent, so a push that failed is in the next
/// one. The overflow series is what balances the books: it gets all that was ever counted, less all that was ever sent and all
/// that is sent of others now. So nothing is lost or sent twice, whatever series came, went, lost their places or were never
/// seen in a push; and what is kept is bounded by the series there are.
/// </summary>
internal sealed class OtlpGrowth(DateTimeOffset since)
{
    private readonly Dictionary<long, (TrafficSeries Series, DateTimeOffset At)> _sent = [];
    private readonly Dictionary<(string Metric, string Attributes), (double Value, DateTimeOffset At)> _sentSelf = [];
    private readonly Books _sentInAll = new();
    private readonly Books _balance = new();
    private readonly HashSet<long> _present = [];
    private DateTimeOffset? _balancedAt;

    /// <summary>How many series it remembers.</summary>
    public int Count => _sent.Count;

    /// <summary>Begins a push.</summary>
    public void Begin(TrafficReport report)
    {
        _present.Clear();
        _balance.Clear();
        foreach (var series in report.Series)
        {
            _present.Add(series.Id);
            _balance.Add(series);
        }

        if (report.RetiredTotals is { } retired)
        {
            _balance.Add(retired);
        }

        _balance.Subtract(_sentInAll);
        foreach (var id in _sent.Keys)
        {
            if (!_present.Contains(id))
            {
                _sent.Remove(id);
            }
        }
    }

    /// <summary>What the series has grown by since it was last sent, and since when that is; null when by nothing.</summary>
    public (TrafficSeries Growth, DateTimeOffset? Since)? Of(TrafficSeries now)
    {
        if (!_sent.TryGetValue(now.Id, out var last))
        {
            _balance.Subtract(now);
            return (now, null);
        }

        if (ReferenceEquals(now, last.Series))
        {
            return null;
        }

        var growth = Difference(now, last.Series);
        _balance.Subtract(growth);
        return (growth, last.At);
    }

    /// <summary>What the overflow series is to get; to be asked for once all others have been.</summary>
    public (Books Growth, DateTimeOffset Since) Balance()
    {
        _balance.SettleDetections();
        return (_balance, _balancedAt ?? since);
    }

    public void Sent(TrafficSeries now, TrafficSeries? growth, DateTimeOffset at)
    {
        _sent[now.Id] = (now, at);
        if (growth is not null)
        {
            _sentInAll.Add(growth);
        }
    }

    public void SentBalance(DateTimeOffset at)
    {
        _sentInAll.Add(_balance);
        _balancedAt = at;
    }

    public (double Growth, DateTimeOffset Since) OfSelf(in SelfSample sample) =>
        _sentSelf.TryGetValue(KeyOf(sample), out var last) ? (Math.Max(0, sample.Value - last.Value), last.At) : (sample.Value, since);

    public void SentSelf(in SelfSample sample, DateTimeOffset at) => _sentSelf[KeyOf(sample)] = (sample.Value, at);

    private static (string Metric, string Attributes) KeyOf(in SelfSample sample) => (sample.Metric.Name, string.Join('\0', sample.Attributes));

    private static TrafficSeries Difference(TrafficSeries now, TrafficSeries last)
    {
        // A metric that began anew in between has all of its count to send, and one that lost its place has none.
        var same = MetricSet.None;
        for (var index = 0; index < TrafficMetrics.Count; index++)
        {
            var metric = (TrafficMetric)index;
            same = now.Has(metric) && now.StartedAt(metric) == last.StartedAt(metric) ? same.With(metric) : same;
        }

        EdgeTimings timings = default;
        timings.Connect.AddGrowth(now.Timings?.Connect ?? default, same.Contains(TrafficMetric.ConnectDuration) ? last.Timings?.Connect ?? default : default);
        timings.Connection.AddGrowth(now.Timings?.Connection ?? default, same.Contains(TrafficMetric.ConnectionDuration) ? last.Timings?.Connection ?? default : default);
        timings.Rtt.AddGrowth(now.Timings?.Rtt ?? default, same.Contains(TrafficMetric.TcpRtt) ? last.Timings?.Rtt ?? default : default);
        return new TrafficSeries(
            now.Id,
            now.Attributes,
            DateTimeOffset.UnixEpoch,
            now.Totals - same.Of(last.Totals),
            now.Open,
            new TrafficTimings(timings),
            [.. now.Failures.Select(failures => Difference(failures, last, same))],
            detections: same.Contains(TrafficMetric.Detections) ? Difference(now.Detections, last.Detections) : now.Detections);
    }

    private static ImmutableArray<TrafficDetections> Difference(ImmutableArray<TrafficDetections> now, ImmutableArray<TrafficDetections> last)
    {
        var before = last.ToDictionary(one => one.Name, one => one.Count);
        return [.. now.Select(one => one with { Count = one.Count - before.GetValueOrDefault(one.Name) })];
    }

    private static TrafficFailures Difference(TrafficFailures now, TrafficSeries last, MetricSet same)
    {
        var growth = new EdgeFailures { Count = now.Count, Duration = now.Duration };
        foreach (var before in last.Failures)
        {
            if (before.Operation == now.Operation && before.ErrorType == now.ErrorType)
            {
                growth.Count -= same.Contains(TrafficMetric.SocketOperations) ? before.Count : 0;
                if (same.Contains(TrafficMetric.ConnectDuration))
                {
                    growth.Duration = default;
                    growth.Duration.AddGrowth(now.Duration, before.Duration);
                }
            }
        }

        return new TrafficFailures(now.Operation, now.ErrorType, growth);
    }

    /// <summary>Sums over series, of each kind of point.</summary>
    internal sealed class Books
    {
        private readonly Dictionary<(TrafficMetric Metric, string First, string Second), ulong> _counts = [];
        private readonly Dictionary<(TrafficMetric Metric, string First), Latency> _times = [];

        public void Clear()
        {
            _counts.Clear();
            _times.Clear();
        }

        public void Add(TrafficSeries series) => Visit(series, isNegative: false);

        public void Subtract(TrafficSeries series) => Visit(series, isNegative: true);

        public void Add(Books other) => Sum(other, isNegative: false);

        public void Subtract(Books other) => Sum(other, isNegative: true);

        /// <summary>
        /// What was sent under a name that the overflow series has no room for is counted there under the name of the rest: it is
        /// not sent again.
        /// </summary>
        public void SettleDetections()
        {
            (TrafficMetric, string, string) rest = (TrafficMetric.Detections, Verdicts.Detections.OtherName, "");
            foreach (var (kind, count) in _counts)
            {
                if (kind.Metric == TrafficMetric.Detections && kind != rest && unchecked((long)count) < 0)
                {
                    _counts[rest] = unchecked(_counts.GetValueOrDefault(rest) + count);
                    _counts[kind] = 0;
                }
            }
        }

        /// <summary>What is more than nothing. Never less, but for totals that were read while they changed; that waits.</summary>
        public void Visit<T>(ref T points)
            where T : ITrafficPoints
        {
            foreach (var ((metric, first, second), count) in _counts)
            {
                if (unchecked((long)count) > 0)
                {
                    points.Count(metric, count, first, second);
                }
            }

            foreach (var ((metric, first), total) in _times)
            {
                if (IsGrowth(total))
                {
                    points.Time(metric, total, first);
                }
            }
        }

        private static bool IsGrowth(in Latency total)
        {
            foreach (var bucket in total.Buckets)
            {
                if (unchecked((long)bucket) < 0)
                {
                    return false;
                }
            }

            return total.Count > 0 && unchecked((long)total.SumNs) >= 0;
        }

        private void Visit(TrafficSeries series, bool isNegative)
        {
            var adder = new Adder(this, isNegative);
            series.Visit(ref adder);
        }

        private void Sum(Books other, bool isNegative)
        {
            var adder = new Adder(this, isNegative);
            other.Visit(ref adder);
        }

        private readonly struct Adder(Books books, bool isNegative) : ITrafficPoints
        {
            public void Count(TrafficMetric metric, ulong total, string first, string second)
            {
                var sum = books._counts.GetValueOrDefault((metric, first, second));
                books._counts[(metric, first, second)] = unchecked(isNegative ? sum - total : sum + total);
            }

            public void Level(TrafficMetric metric, long now)
            {
            }

            public void Time(TrafficMetric metric, in Latency total, string first)
            {
                var sum = books._times.GetValueOrDefault((metric, first));
                if (isNegative)
                {
                    sum.AddGrowth(default, total);
                }
                else
                {
                    sum.AddGrowth(total, default);
                }

                books._times[(metric, first)] = sum;
            }
        }
    }
}
