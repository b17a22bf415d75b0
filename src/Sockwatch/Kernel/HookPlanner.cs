using Sockwatch.Bpf;

namespace Sockwatch.Kernel;

/// <summary>
/// Chooses the way to observe each operation: the cheapest that misses nothing and that this kernel takes. What the kernel takes
/// is learnt by loading and attaching; what it plainly does not have is known before.
/// </summary>
internal sealed class HookPlanner
{
    private readonly HostFacts _host;
    private readonly BackendChoice _choice;
    private readonly Dictionary<string, Refusal> _refused;
    private readonly HashSet<string> _absent = [];
    private readonly StateKeeping? _only;
    private readonly List<HookGroup> _groups;

    /// <param name="offer">What this kernel has.</param>
    /// <param name="payload">What is to be captured; null for nothing.</param>
    /// <param name="only">Where to keep states, for tests of the others on a kernel that can do with the first.</param>
    public HookPlanner(HostFacts host, BackendChoice choice, IKernelOffer offer, StateKeeping? only = null, PayloadReach? payload = null)
    {
        _host = host;
        _only = only;
        _choice = choice;
        _refused = [];
        _groups = [.. HookGroup.All.Where(group => (payload ?? PayloadReach.None).Sees(group.Purpose))];
        foreach (var hook in _groups.SelectMany(group => group.Ways).SelectMany(way => way.Programs).DistinctBy(hook => hook.Program))
        {
            if (offer.WhyNot(hook) is { } reason)
            {
                _refused.Add(hook.Program, reason);
                if (hook.IfPresent && !offer.Has(hook))
                {
                    _absent.Add(hook.Program);
                }
            }
        }
    }

    public HostFacts Host => _host;

    /// <summary>Why each program that is refused is.</summary>
    public IReadOnlyDictionary<string, Refusal> Refused => _refused;

    /// <summary>The hook is not there, and nothing is missing for it.</summary>
    public bool IsAbsent(HookProgram hook) => _absent.Contains(hook.Program);

    /// <summary>The kernel did not take the program.</summary>
    /// <returns>False when that was known.</returns>
    public bool Refuse(string program, Refusal reason) => _refused.TryAdd(program, reason);

    /// <summary>The ways to keep states that this choice of programs allows, the cheapest first.</summary>
    public IEnumerable<StateKeeping> Keepings(HookPlan plan)
    {
        if (_only is { } only)
        {
            return [only];
        }

        if (!_host.HasKernelTypes)
        {
            // No iterator either, so nothing may wait to be flushed.
            return [StateKeeping.PlainHash];
        }

        return plan.Hooks.Any(hook => hook.NeedsHash)
            ? [StateKeeping.Hash, StateKeeping.PlainHash]
            : [StateKeeping.Storage, StateKeeping.Hash, StateKeeping.PlainHash];
    }

    /// <exception cref="KernelException">There is no way to observe something that totals depend on.</exception>
    public HookPlan Choose(StateKeeping keeping = StateKeeping.Storage)
    {
        var plan = Look(keeping);
        if (plan.Choices.FirstOrDefault(choice => choice.Way is null && choice.Group.IsRequired) is { } blind)
        {
            // The first is the one to mend: it is the best, and on a kernel without it the newest thing missing.
            var (way, reason) = blind.Refused[0];
            var asked = _choice != BackendChoice.Auto && way.Backend.Name() == Name(_choice) ? $"--backend {Name(_choice)}: " : "";
            throw new KernelException($"{asked}{reason.Reason}: {way.Required.First().Without}. See 'sockwatch doctor'");
        }

        return plan;
    }

    /// <summary>The same, blind or not.</summary>
    public HookPlan Look(StateKeeping keeping = StateKeeping.Storage) => new(keeping, [.. _groups.Select(Choose)]);

    private ChosenWay Choose(HookGroup group)
    {
        var refused = new List<(HookWay, Refusal)>();
        foreach (var way in InOrder(group))
        {
            if (WhyNot(way) is not { } reason)
            {
                return new ChosenWay(group, way, refused);
            }

            refused.Add((way, reason));
        }

        return new ChosenWay(group, null, refused);
    }

    private Refusal? WhyNot(HookWay way) => way.Required
        .Where(hook => !IsAbsent(hook))
        .Select(hook => _refused.GetValueOrDefault(hook.Program))
        .FirstOrDefault(reason => reason is not null);

    private IEnumerable<HookWay> InOrder(HookGroup group)
    {
        var asked = group.Ways.Where(way => way.Backend.Name() == Name(_choice)).ToList();
        var ways = asked.Count > 0 ? asked : group.Ways;

        // A send or receive that is missed is bytes that are missed. State changes have their deputy.
        return group.Name is "send" or "recv" || group.Purpose != HookPurpose.Traffic ? ways.OrderBy(way => MissesWhenPreempted(way) ? 1 : 0) : ways;
    }

    private bool MissesWhenPreempted(HookWay way) =>
        !way.IsSteady && (way.Backend == HookBackend.Tracepoint ? Preemption.ReachesTracepoints(_host) : Preemption.ReachesTrampolines(_host));

    private static string Name(BackendChoice choice) => choice switch
    {
        BackendChoice.Tracepoint => "tracepoint",
        BackendChoice.Fentry => "fentry",
        BackendChoice.Kprobe => "kprobe",
        _ => "auto",
    };
}
