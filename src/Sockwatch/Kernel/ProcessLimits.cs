using System.Globalization;
using Microsoft.Extensions.Options;
using Sockwatch.Bpf;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>One process's limit and what has been used of it; null for no limit of the kind.</summary>
internal sealed record LimitedProcess(uint Pid, ulong? MostSockets, TimeSpan? TimeLeft, ulong Sockets, ulong Withheld);

/// <summary>Which processes are followed, and how far.</summary>
internal interface IProcessLimits
{
    /// <returns>False when there is no such process.</returns>
    bool Set(uint pid, ulong? mostSockets, TimeSpan? time);

    /// <summary>The process begins anew: without a limit, and without what was known of it.</summary>
    /// <returns>False when nothing was known.</returns>
    bool Forget(uint pid);

    /// <summary>Forgets every process.</summary>
    /// <returns>How many had a limit.</returns>
    int Reset();
}

/// <summary>
/// Limits that an operator sets for single processes: so many new sockets, or so long, and no flow records after that. What is counted
/// stays counted, and detections are told all the same. Bounded: processes that are gone make room, then the oldest limit. Any thread
/// may use it.
/// </summary>
internal sealed class ProcessLimits : IProcessLimits
{
    private readonly SteadyReading _steadily;
    private readonly BpfMap<uint, ProcessLimit> _limits;
    private readonly BpfMap<uint, ProcessIdentity> _identities;
    private readonly HostPaths _paths;
    private readonly int _most;
    private readonly Lock _lock = new();

    // The oldest first.
    private readonly LinkedList<uint> _pids = [];
    private long _dropped;
    private uint _lastNumber;

    public ProcessLimits(KernelPrograms programs, IOptions<LimitOptions> options, HostPaths paths, LossLedger losses)
    {
        _steadily = programs.Steadily;
        _limits = programs.Object.Map<uint, ProcessLimit>("process_limits");
        _identities = programs.Object.Map<uint, ProcessIdentity>("processes");
        _paths = paths;
        _most = options.Value.MaxProcesses;
        losses.Follow(LossLedger.KernelStage, LossLedger.LimitsFull, () => Interlocked.Read(ref _dropped));
    }

    public bool Set(uint pid, ulong? mostSockets, TimeSpan? time)
    {
        if (StartOf(pid) is not { } startedAt)
        {
            return false;
        }

        lock (_lock)
        {
            using var steadily = _steadily.Begin();
            Remove(pid);
            MakeRoom();
            _limits.Update(pid, new ProcessLimit
            {
                ProcessStartedAt = startedAt,
                MostSockets = mostSockets ?? ulong.MaxValue,
                UntilNs = time is { } longest ? BootClock.NowNs() + (ulong)longest.TotalNanoseconds : ulong.MaxValue,
                Number = _lastNumber = (_lastNumber % byte.MaxValue) + 1,
            });
            _pids.AddLast(pid);
            return true;
        }
    }

    public bool Forget(uint pid)
    {
        lock (_lock)
        {
            using var steadily = _steadily.Begin();
            var hadLimit = Remove(pid);

            // Found again when it next uses a socket.
            return _identities.Delete(pid) || hadLimit;
        }
    }

    public int Reset()
    {
        lock (_lock)
        {
            using var steadily = _steadily.Begin();
            var count = _pids.Count;
            while (_pids.First is { } first)
            {
                Remove(first.Value);
            }

            while (_identities.TryFirstKey(out var pid) && _identities.Delete(pid))
            {
                // Another may come in between; it goes as well.
            }

            return count;
        }
    }

    /// <summary>Of live processes, the oldest first.</summary>
    public IReadOnlyList<LimitedProcess> List()
    {
        lock (_lock)
        {
            using var steadily = _steadily.Begin();
            RemoveGone();
            var now = BootClock.NowNs();
            var list = new List<LimitedProcess>(_pids.Count);
            foreach (var pid in _pids)
            {
                if (_limits.TryLookup(pid, out var limit))
                {
                    list.Add(new LimitedProcess(
                        pid,
                        limit.MostSockets == ulong.MaxValue ? null : limit.MostSockets,
                        limit.UntilNs == ulong.MaxValue ? null : TimeSpan.FromMilliseconds((limit.UntilNs - Math.Min(limit.UntilNs, now)) / 1e6),
                        limit.Sockets,
                        limit.Withheld));
                }
            }

            return list;
        }
    }

    private void MakeRoom()
    {
        if (_pids.Count < _most)
        {
            return;
        }

        RemoveGone();
        while (_pids.Count >= _most)
        {
            Remove(_pids.First!.Value);
            _dropped++;
        }
    }

    private void RemoveGone()
    {
        for (var node = _pids.First; node is not null;)
        {
            var (pid, next) = (node.Value, node.Next);
            if (!_limits.TryLookup(pid, out var limit) || StartOf(pid) != limit.ProcessStartedAt)
            {
                Remove(pid);
            }

            node = next;
        }
    }

    private bool Remove(uint pid)
    {
        _pids.Remove(pid);
        return _limits.Delete(pid);
    }

    /// <summary>Hundredths of a second after the machine's start; null when there is no such process.</summary>
    private ulong? StartOf(uint pid)
    {
        // The name in parentheses may hold anything, also parentheses.
        var stat = HostPaths.ReadText(_paths.Proc(string.Create(CultureInfo.InvariantCulture, $"{pid}/stat")));
        var fields = stat?[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        const int StartTime = 19;
        return fields?.Length > StartTime && ulong.TryParse(fields[StartTime], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) ? ticks : null;
    }
}
