using Sockwatch.Kernel;

namespace Sockwatch.Tests.Kernel;

public class HookPlannerTests
{
    private static readonly string[] Groups = ["connections", "send", "recv", "release", "processes"];

    [Theory]
    [InlineData("6.18", false, "tracepoint", "tracepoint", StateKeeping.Storage)]
    [InlineData("6.18", true, "tracepoint", "tracepoint", StateKeeping.Storage)]
    [InlineData("6.1", false, "tracepoint", "fentry", StateKeeping.Storage)]
    [InlineData("6.1", true, "tracepoint", "kprobe", StateKeeping.Hash)]
    [InlineData("5.10", false, "tracepoint", "fentry", StateKeeping.Storage)]
    public void Takes_the_cheapest_that_misses_nothing(string kernel, bool preemptible, string connections, string send, object keeping)
    {
        var planner = Planner(kernel, isFullyPreemptible: preemptible);

        var plan = planner.Choose();

        Assert.Equal(connections, Way(plan, "connections").Backend.Name());
        Assert.Equal(send, Way(plan, "send").Backend.Name());
        Assert.Equal(send, Way(plan, "recv").Backend.Name());
        Assert.Equal((StateKeeping)keeping, planner.Keepings(plan).First());
    }

    [Fact]
    public void Takes_programs_that_cannot_be_preempted_where_tracepoints_can()
    {
        var planner = Planner("7.0");

        var plan = planner.Choose();

        Assert.True(Way(plan, "send").IsSteady);
        Assert.Equal(HookBackend.Tracepoint, Way(plan, "send").Backend);
        Assert.Contains(plan.Hooks, hook => hook.Program == "sw_state_deputy");
        Assert.Equal([StateKeeping.Hash, StateKeeping.PlainHash], planner.Keepings(plan));
    }

    [Fact]
    public void Goes_on_to_the_next_when_the_kernel_refuses()
    {
        var planner = Planner("6.1");
        Assert.True(planner.Refuse("sw_fexit_send6", new Refusal("no trampolines here")));
        Assert.False(planner.Refuse("sw_fexit_send6", new Refusal("again")));

        var plan = planner.Choose();

        Assert.Equal(HookBackend.Kprobe, Way(plan, "send").Backend);
        Assert.Equal(HookBackend.Fentry, Way(plan, "recv").Backend);
        Assert.Contains("no trampolines here", Choice(plan, "send").Refused.Select(refused => refused.Reason.Reason));
    }

    [Fact]
    public void Does_without_an_optional_program()
    {
        var planner = Planner("6.18");
        planner.Refuse("sw_connect6", new Refusal("no"));

        Assert.Equal(HookBackend.Tracepoint, Way(planner.Choose(), "connections").Backend);
    }

    [Fact]
    public void A_hook_that_newer_kernels_do_without_is_not_missed()
    {
        var planner = Planner("6.18", choice: BackendChoice.Fentry);

        var plan = planner.Choose();

        Assert.Equal(HookBackend.Fentry, Way(plan, "send").Backend);
        Assert.Contains(plan.Hooks, hook => hook.Program == "sw_fexit_page" && planner.IsAbsent(hook));
    }

    [Theory]
    [InlineData(BackendChoice.Tracepoint, HookBackend.Tracepoint)]
    [InlineData(BackendChoice.Fentry, HookBackend.Fentry)]
    [InlineData(BackendChoice.Kprobe, HookBackend.Kprobe)]
    public void Takes_what_is_asked_for(object choice, object backend)
    {
        var plan = Planner("6.18", choice: (BackendChoice)choice).Choose();

        Assert.All(Groups[..4], group => Assert.Equal((HookBackend)backend, Way(plan, group).Backend));
        Assert.Equal(HookBackend.Tracepoint, Way(plan, "processes").Backend);
    }

    [Fact]
    public void Says_which_backend_that_was_asked_for_cannot_be_had()
    {
        var planner = Planner("6.18", choice: BackendChoice.Fentry);
        planner.Refuse("sw_fentry_state", new Refusal("this kernel has no trampolines"));

        var failure = Assert.Throws<KernelException>(() => planner.Choose());

        Assert.Equal("--backend fentry: this kernel has no trampolines: TCP connections are not seen. See 'sockwatch doctor'", failure.Message);
    }

    [Fact]
    public void Needs_no_types_of_the_kernels_own()
    {
        var planner = Planner("6.18", hasTypes: false);

        var plan = planner.Choose();

        Assert.DoesNotContain(plan.Hooks, hook => hook.NeedsKernelTypes);
        Assert.Equal([StateKeeping.PlainHash], planner.Keepings(plan));
        Assert.Equal(["sw_reset_sent_steady"], Choice(plan, "resets sent").Way!.Programs.Select(hook => hook.Program));
    }

    [Fact]
    public void Every_program_of_a_way_has_one_form()
    {
        var forms = HookGroup.All.SelectMany(group => group.Ways).SelectMany(way => way.Programs)
            .GroupBy(hook => hook.Program).Where(program => program.Select(hook => (hook.Form, hook.Hook)).Distinct().Count() > 1);

        Assert.Empty(forms);
    }

    private static HookPlanner Planner(
        string kernel, bool isFullyPreemptible = false, bool hasTypes = true, BackendChoice choice = BackendChoice.Auto)
    {
        var host = new HostFacts { KernelVersion = Version.Parse(kernel), IsFullyPreemptible = isFullyPreemptible, HasKernelTypes = hasTypes };
        return new HookPlanner(host, choice, new Offer(host));
    }

    private static ChosenWay Choice(HookPlan plan, string group) => plan.Choices.Single(choice => choice.Group.Name == group);

    private static HookWay Way(HookPlan plan, string group) => Choice(plan, group).Way!;

    /// <summary>A kernel that has everything of its time.</summary>
    private sealed class Offer(HostFacts host) : IKernelOffer
    {
        public Refusal? WhyNot(HookProgram hook) => hook.NeedsKernelTypes && !host.HasKernelTypes ? Refusal.NoKernelTypes
            : Has(hook) ? null
            : new Refusal($"no {hook.Hook}");

        public bool Has(HookProgram hook) => host.KernelVersion >= Version.Parse(hook.Since)
            && !(hook.Hook == "inet_sendpage" && host.KernelVersion >= new Version(6, 5));
    }
}
