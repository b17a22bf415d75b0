using Sockwatch.Bpf;
using Xunit;

namespace Sockwatch.KernelTests.Bpf;

public sealed class BpfObjectTests
{
    private const int Eperm = 1;
    private const int Enoent = 2;

    [Fact]
    public void Names_its_programs_and_their_sections_in_the_order_of_the_file()
    {
        using var hooks = TestPrograms.Open("hooks");

        Assert.Equal(
            ["on_exit (tp_btf/sched_process_exit)", "on_socket (cgroup/sock_create)", "on_task (iter/task)"],
            hooks.Programs.Select(program => program.ToString()));
    }

    [Fact]
    public void Describes_its_maps()
    {
        using var maps = TestPrograms.Open("maps");

        Assert.Contains(new BpfMapInfo("pairs", BpfMapType.Hash, 8, 16, 64, IsPreallocated: false), maps.Maps);
        Assert.Contains(new BpfMapInfo("prefixes", BpfMapType.LpmTrie, 8, 4, 8, IsPreallocated: false), maps.Maps);
    }

    [Fact]
    public void Says_which_file_is_missing()
    {
        var failure = Assert.Throws<BpfException>(() => BpfObject.Open("/nowhere/at.bpf.o"));

        Assert.Equal(Enoent, failure.Errno);
        Assert.Equal("open(/nowhere/at.bpf.o): No such file or directory (errno 2)", failure.Message);
    }

    [Fact]
    public void A_constant_set_before_loading_is_what_the_program_sees()
    {
        using var maps = TestPrograms.Open("maps");
        maps.SetConstant("step", 10ul);
        maps.SetConstant("limit", 3u);
        maps.Load();

        var result = maps.RunOnce("fill");

        Assert.Equal(3, result);
        Assert.True(maps.Map<ulong, Pair>("pairs").TryLookup(102, out var pair));
        Assert.Equal(new Pair(1020, 2), pair);
    }

    [Fact]
    public void A_constant_can_be_set_by_its_place_in_the_section()
    {
        using var maps = TestPrograms.Open("maps");
        maps.SetConstant("limit", 0x01020304u);

        var rodata = maps.InitialValue(".rodata");

        Assert.True(rodata.IndexOf<byte>([4, 3, 2, 1]) >= 0);
    }

    [Fact]
    public void A_constant_of_another_size_or_name_is_refused()
    {
        using var maps = TestPrograms.Open("maps");

        Assert.Throws<InvalidOperationException>(() => maps.SetConstant("limit", 3ul));
        Assert.Throws<ArgumentException>(() => maps.SetConstant("limits", 3u));
    }

    [Fact]
    public void A_constant_is_fixed_once_loaded()
    {
        using var maps = TestPrograms.Load("maps");

        Assert.Throws<InvalidOperationException>(() => maps.SetConstant("limit", 3u));
    }

    [Fact]
    public void A_global_variable_is_shared_with_the_running_program()
    {
        using var maps = TestPrograms.Load("maps");
        var runs = maps.GlobalVariable<ulong>("runs");
        maps.GlobalVariable<uint>("start").Value = 500;

        maps.RunOnce("fill");
        maps.RunOnce("fill");

        Assert.Equal(2ul, runs.Value);
        Assert.True(maps.Map<ulong, Pair>("pairs").TryLookup(507, out _));
    }

    [Fact]
    public void A_refused_program_fails_the_load_with_the_reason_of_the_verifier()
    {
        using var refused = TestPrograms.Open("refused");

        var failure = Assert.Throws<BpfException>(refused.Load);

        Assert.Contains("bpf_object__load(refused.bpf.o)", failure.Message, StringComparison.Ordinal);
        Assert.Contains("map_value_or_null", failure.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void The_message_sink_hears_of_the_refusal_too()
    {
        using var refused = TestPrograms.Open("refused");
        var heard = new List<(BpfLogLevel Level, string Text)>();
        BpfLog.Sink = (level, text) => heard.Add((level, text));
        try
        {
            Assert.Throws<BpfException>(refused.Load);
        }
        finally
        {
            BpfLog.Sink = null;
        }

        Assert.Contains(heard, message => message.Level == BpfLogLevel.Warning
            && message.Text.StartsWith("libbpf: prog 'unsound': BPF program load failed", StringComparison.Ordinal));
        Assert.Contains(heard, message => message.Level == BpfLogLevel.Debug);
    }

    [Fact]
    public void A_sink_that_throws_harms_nothing()
    {
        using var maps = TestPrograms.Open("maps");
        BpfLog.Sink = (_, _) => throw new InvalidOperationException();
        try
        {
            maps.Load();
        }
        finally
        {
            BpfLog.Sink = null;
        }

        Assert.Equal(8, maps.RunOnce("fill"));
    }

    [Fact]
    public void A_program_that_is_not_to_be_loaded_stays_out()
    {
        using var refused = TestPrograms.Open("refused");
        refused.SetAutoload("unsound", false);

        refused.Load();

        Assert.Equal(-1, refused.Program("unsound").Fd);
        Assert.False(refused.Program("unsound").Autoload);
        Assert.Equal(0, refused.RunOnce("sound"));
    }

    [Fact]
    public void The_size_of_a_map_can_be_changed_before_loading()
    {
        using var maps = TestPrograms.Open("maps");
        maps.SetMaxEntries("pairs", 5);
        maps.Load();

        maps.RunOnce("fill");

        var pairs = maps.Map<ulong, Pair>("pairs");
        Assert.Equal(5, pairs.Info.MaxEntries);
        Assert.Equal(5, pairs.CountEntries());
    }

    [Fact]
    public void Two_objects_can_share_a_map()
    {
        using var first = TestPrograms.Open("refused");
        first.SetAutoload("unsound", false);
        first.Load();
        using var second = TestPrograms.Open("refused");
        second.SetAutoload("unsound", false);
        second.ShareMap("shared", first);
        second.Load();

        second.RunOnce("sound");

        Assert.True(first.Map<uint, ulong>("shared").TryLookup(5, out var value));
        Assert.Equal(55ul, value);
    }

    [Fact]
    public void A_map_can_be_left_out()
    {
        using var maps = TestPrograms.Open("maps");
        maps.SetAutocreate("slots", false);

        maps.Load();

        Assert.Equal(8, maps.RunOnce("fill"));
    }

    [Fact]
    public void Names_what_it_does_not_have()
    {
        using var maps = TestPrograms.Load("maps");

        Assert.Contains("maps.bpf.o has no program nothing",
            Assert.Throws<ArgumentException>(() => maps.Attach("nothing")).Message, StringComparison.Ordinal);
        Assert.Contains("maps.bpf.o has no map nothing",
            Assert.Throws<ArgumentException>(() => maps.Map<ulong, Pair>("nothing")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Use_after_disposal_is_an_exception_and_no_crash()
    {
        var maps = TestPrograms.Load("maps");
        var pairs = maps.Map<ulong, Pair>("pairs");
        var runs = maps.GlobalVariable<ulong>("runs");
        var fill = maps.Program("fill");

        maps.Dispose();

        Assert.Throws<ObjectDisposedException>(() => pairs.TryLookup(1, out _));
        Assert.Throws<ObjectDisposedException>(() => pairs.CountEntries());
        Assert.Throws<ObjectDisposedException>(() => runs.Value);
        Assert.Throws<ObjectDisposedException>(() => fill.Info());
        Assert.Throws<ObjectDisposedException>(() => maps.Load());
    }

    [Fact]
    public void A_missing_library_says_what_to_install()
    {
        var failure = Assert.Throws<BpfException>(
            () => LibBpf.Resolve("libnowhere.so.1", typeof(LibBpf).Assembly, null));

        Assert.Contains("install libbpf1", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Kernel_type_information_can_come_from_a_file()
    {
        Agents.Requires.Bpf();
        Assert.SkipUnless(BpfHost.BtfAvailable, "This kernel has no type information to borrow.");
        using var maps = BpfObject.Open(TestPrograms.PathOf("maps"), "/sys/kernel/btf/vmlinux");

        maps.Load();

        Assert.Equal(8, maps.RunOnce("fill"));
    }

    [Fact]
    public void Knows_its_version_and_the_machine()
    {
        Assert.Matches(@"^v1\.\d+$", BpfHost.LibBpfVersion);
        Assert.InRange(BpfHost.PossibleCpus, Environment.ProcessorCount, int.MaxValue);
    }

    [Fact]
    public void Run_time_stats_count_the_runs_of_a_program()
    {
        using var maps = TestPrograms.Load("maps");
        var before = maps.Program("fill").Info();

        // The kernel does not count test runs, so the program has to be hooked in: an iterator is.
        using var hooks = TestPrograms.Load("hooks");
        using var tasks = hooks.AttachIterator("on_task");
        using (BpfStats.Enable())
        {
            tasks.Run();
        }

        var after = hooks.Program("on_task").Info();
        Assert.Equal(0ul, before.RunCount);
        Assert.Equal("fill", before.KernelName);
        Assert.NotEqual(before.Id, after.Id);
        Assert.True(after.RunCount > 1);
        Assert.True(after.RunTime > TimeSpan.Zero);
    }

    [Fact]
    public void The_memlock_limit_can_be_lifted()
    {
        try
        {
            BpfHost.SetMemlockUnlimited();
        }
        catch (BpfException failure) when (failure.Errno == Eperm)
        {
            Assert.Skip("Lifting the limit takes CAP_SYS_RESOURCE.");
        }

        var limit = File.ReadLines("/proc/self/limits").Single(line => line.StartsWith("Max locked memory", StringComparison.Ordinal));
        Assert.Contains("unlimited", limit, StringComparison.Ordinal);
    }
}
