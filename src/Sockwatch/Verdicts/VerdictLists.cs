using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Verdicts;

/// <summary>
/// The lists in files. A file that has changed is read again and everything is put into the kernel anew, as a whole. A file that cannot
/// be used keeps what it said before: it is reported once, and again when it changes. Not for several threads at once.
/// </summary>
internal sealed partial class VerdictLists : IKernelLists
{
    // So much garbage at once would stay with the process for a long time.
    private const int WorthCollecting = 50_000;

    private readonly VerdictOptions _options;
    private readonly Detections _detections;
    private readonly AddedVerdicts _added;
    private readonly KernelLists _kernel;
    private readonly ListStatus _status;
    private readonly LossLedger _losses;
    private readonly TimeProvider _time;
    private readonly ILogger<VerdictLists> _logger;
    private readonly SortedDictionary<string, Source> _sources = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private long _withoutNumber;

    public VerdictLists(
        IOptions<VerdictOptions> options,
        Detections detections,
        AddedVerdicts added,
        KernelLists kernel,
        ListStatus status,
        LossLedger losses,
        TimeProvider time,
        ILogger<VerdictLists> logger)
    {
        _options = options.Value;
        _detections = detections;
        _added = added;
        _kernel = kernel;
        _status = status;
        _losses = losses;
        _time = time;
        _logger = logger;
        losses.Follow(LossLedger.VerdictsStage, LossLedger.NamesFull, () => detections.WithoutNumber);
    }

    public int MaxAdded => _added.Room;

    /// <summary>Entries in force, of all files.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _sources.Values.Sum(source => source.Entries.Count);
            }
        }
    }

    public void Install(BpfObject maps)
    {
        lock (_lock)
        {
            _kernel.Use(maps);
            ReadChanged();
            PutInForce();
        }

        _added.Install();
    }

    /// <summary>Whether any file looks other than when it was last read.</summary>
    public bool HasChanged()
    {
        lock (_lock)
        {
            return Paths() is { } paths
                && (paths.Any(path => !_sources.TryGetValue(path, out var source) || source.Stamp != Stamp.Of(path))
                    || _sources.Keys.Any(path => !paths.Contains(path)));
        }
    }

    /// <summary>Reads what has changed and puts it in force.</summary>
    /// <returns>False when nothing that can be used has changed.</returns>
    public bool Reload()
    {
        lock (_lock)
        {
            if (!ReadChanged())
            {
                return false;
            }

            PutInForce();
            _detections.Forget(IsListed());
            return true;
        }
    }

    /// <summary>Numbers of detections that no list has had for a while are free for others; lists in files need not change for that.</summary>
    public void ForgetUnlisted()
    {
        lock (_lock)
        {
            _detections.Forget(IsListed());
        }
    }

    /// <summary>Files and what is in directories, by name; null when a directory cannot be read, or is empty and was not.</summary>
    private HashSet<string>? Paths()
    {
        var paths = new HashSet<string>(StringComparer.Ordinal);
        foreach (var configured in _options.Files)
        {
            if (!Directory.Exists(configured))
            {
                // A directory that is gone keeps its files; a file stands for itself.
                var within = _sources.Keys.Where(known => known.StartsWith(configured.TrimEnd('/') + '/', StringComparison.Ordinal)).ToList();
                paths.UnionWith(within.Count > 0 ? within : [configured]);
                continue;
            }

            try
            {
                // A ConfigMap's own are behind names with a dot.
                var files = Directory.EnumerateFiles(configured).Where(path => !Path.GetFileName(path).StartsWith('.')).ToList();
                paths.UnionWith(files.Count > 0
                    ? files
                    : _sources.Keys.Where(known => Path.GetDirectoryName(known) == configured.TrimEnd('/')));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return null;
            }
        }

        return paths;
    }

    private bool ReadChanged()
    {
        if (Paths() is not { } paths)
        {
            return false;
        }

        var changed = false;
        foreach (var gone in _sources.Keys.Where(path => !paths.Contains(path)).ToList())
        {
            Log.Removed(_logger, PrintableText.Of(gone), _sources[gone].Entries.Count);
            changed = _sources.Remove(gone) || changed;
        }

        foreach (var path in paths.Order(StringComparer.Ordinal))
        {
            var stamp = Stamp.Of(path);
            _sources.TryGetValue(path, out var known);
            if (known is null || known.Stamp != stamp)
            {
                changed |= Read(path, stamp, known?.Entries ?? new VerdictEntries());
            }
        }

        return changed;
    }

    private bool Read(string path, Stamp stamp, VerdictEntries before)
    {
        var room = _options.MaxEntries - _sources.Where(source => source.Key != path).Sum(source => source.Value.Entries.Count);
        var content = VerdictFile.Read(path, _detections, room);
        var name = PrintableText.Of(path);
        if (content.Problem is { } problem)
        {
            _sources[path] = new Source(stamp, before);
            _losses.Add(LossLedger.VerdictsStage, LossLedger.BrokenFile);
            Log.BrokenFile(_logger, name, problem, before.Count);
            return false;
        }

        foreach (var line in content.FirstBroken)
        {
            Log.BrokenLine(_logger, name, line.Number, line.Reason);
        }

        if (content.Broken > content.FirstBroken.Count)
        {
            Log.MoreBrokenLines(_logger, name, content.Broken - content.FirstBroken.Count);
        }

        if (content.LeftOut > 0)
        {
            Log.LeftOut(_logger, name, content.LeftOut, _options.MaxEntries);
        }

        if (_detections.WithoutNumber > _withoutNumber)
        {
            Log.WithoutNumber(_logger, name, _detections.WithoutNumber - _withoutNumber, Detections.MaxKinds, Detections.OtherName);
        }

        _withoutNumber = _detections.WithoutNumber;
        _losses.Add(LossLedger.VerdictsStage, LossLedger.BrokenLine, content.Broken);
        _losses.Add(LossLedger.VerdictsStage, LossLedger.EntriesFull, content.LeftOut);
        _sources[path] = new Source(stamp, content.Entries);
        Log.Read(_logger, name, content.Entries.Count);
        return true;
    }

    private void PutInForce()
    {
        var started = _time.GetTimestamp();
        var ipv4 = new ulong[_sources.Values.Sum(source => source.Entries.IPv4.Length)];
        var ipv6 = new VerdictEntries.Entry6[_sources.Values.Sum(source => source.Entries.IPv6.Length)];
        var (next4, next6) = (0, 0);
        foreach (var source in _sources.Values)
        {
            source.Entries.IPv4.CopyTo(ipv4.AsSpan(next4));
            source.Entries.IPv6.CopyTo(ipv6.AsSpan(next6));
            next4 += source.Entries.IPv4.Length;
            next6 += source.Entries.IPv6.Length;
        }

        VerdictSweep.Sort(ipv4);
        try
        {
            _kernel.Replace(ipv4, VerdictSweep.Sorted(ipv6));
            _status.InForce(ipv4.Length + ipv6.Length, _time.GetUtcNow());
        }
        catch (BpfException failure)
        {
            // Most likely memory. What was in force still is.
            _losses.Add(LossLedger.VerdictsStage, LossLedger.BrokenFile);
            Log.NotInForce(_logger, ipv4.Length + ipv6.Length, PrintableText.Of(failure));
            return;
        }

        if (ipv4.Length + ipv6.Length > 0)
        {
            Log.InForce(_logger, ipv4.Length + ipv6.Length, _kernel.Ranges, ReadableText.Bytes((ulong)_kernel.RangeBytes), _time.GetElapsedTime(started).TotalMilliseconds);
        }

        if (ipv4.Length + ipv6.Length >= WorthCollecting)
        {
            (ipv4, ipv6) = ([], []);
            GC.Collect();
        }
    }

    private Func<int, bool> IsListed()
    {
        var listed = new bool[ushort.MaxValue + 1];
        foreach (var source in _sources.Values)
        {
            source.Entries.Mark(listed);
        }

        _added.Mark(listed);
        return number => listed[number];
    }

    private sealed record Source(Stamp Stamp, VerdictEntries Entries);

    /// <summary>What a look at a file tells without reading it. A ConfigMap's new version is another file behind the same name.</summary>
    private readonly record struct Stamp(DateTime ChangedAt, long Length, string Target)
    {
        public static Stamp Of(string path)
        {
            try
            {
                var file = new FileInfo(path);
                var target = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
                return target.Exists ? new Stamp(target.LastWriteTimeUtc, target.Length, target.FullName) : default;
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return default;
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "{File}: {Entries} entries")]
        public static partial void Read(ILogger logger, string file, int entries);

        [LoggerMessage(LogLevel.Information, "{File} is gone from its directory, and its {Entries} entries with it")]
        public static partial void Removed(ILogger logger, string file, int entries);

        [LoggerMessage(LogLevel.Information, "Addresses are matched with {Entries} entries: {Ranges} ranges, {Size} in the kernel, put in place in {Milliseconds:0} ms")]
        public static partial void InForce(ILogger logger, int entries, int ranges, string size, double milliseconds);

        [LoggerMessage(LogLevel.Warning, "{File}:{Line}: {Reason}; the line is left out")]
        public static partial void BrokenLine(ILogger logger, string file, long line, string reason);

        [LoggerMessage(LogLevel.Warning, "{File}: {More} more lines are left out")]
        public static partial void MoreBrokenLines(ILogger logger, string file, long more);

        [LoggerMessage(LogLevel.Warning, "{File}: {Lines} entries are left out: there is room for {Limit} in all (verdicts.maxEntries)")]
        public static partial void LeftOut(ILogger logger, string file, long lines, int limit);

        [LoggerMessage(LogLevel.Warning, "{File}: {Entries} entries share the name {Name}: there are numbers for {Limit} different names and classifications")]
        public static partial void WithoutNumber(ILogger logger, string file, long entries, int limit, string name);

        [LoggerMessage(LogLevel.Error, "{File} {Problem}; its {Entries} entries from before stay in force")]
        public static partial void BrokenFile(ILogger logger, string file, string problem, int entries);

        [LoggerMessage(LogLevel.Error, "{Entries} entries cannot be put in force, what was in force stays: {Reason}")]
        public static partial void NotInForce(ILogger logger, int entries, string reason);
    }
}
