using Sockwatch.Diagnostics;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

/// <summary>A folder stands for the cgroup file system; its directories' numbers are the cgroups' ids.</summary>
public sealed class CgroupsTests : IDisposable
{
    // In memory, where numbers are not given out a second time, as in the real one.
    private readonly string _root = Directory.CreateDirectory($"/dev/shm/sockwatch-cgroup-{Guid.NewGuid():N}").FullName;
    private readonly FakeKernelTotals _kernel = new() { Executables = { [1] = "/usr/bin/curl" } };
    private readonly ManualTime _time = new();
    private readonly CacheLedger _caches = new();

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void The_dead_make_room_in_the_kernel_and_keep_their_names_for_a_while()
    {
        var alive = Make("alive.service");
        var dead = Make("dead.service");
        var naming = Naming();
        Assert.Equal("dead.service", NameOf(naming, dead));

        Directory.Delete($"{_root}/dead.service");
        naming.SweepCgroups();

        Assert.Equal([alive], _kernel.Cgroups.Keys);
        Assert.Equal((false, true, false), (naming.IsGone(Some.Edge(cgroup: alive)), naming.IsGone(Some.Edge(cgroup: dead)), naming.IsGone(Some.Edge(cgroup: 12345))));
        _time.Advance(TimeSpan.FromMinutes(14));
        Assert.Equal("dead.service", NameOf(naming, dead));
        naming.SweepCgroups();
        _time.Advance(TimeSpan.FromMinutes(14));
        naming.SweepCgroups();
        Assert.Equal("dead.service", NameOf(naming, dead));

        _time.Advance(TimeSpan.FromMinutes(16));
        naming.SweepCgroups();
        Assert.Equal(("curl", "alive.service"), (NameOf(naming, dead), NameOf(naming, alive)));
    }

    [Fact]
    public void One_that_died_before_anybody_asked_has_its_name_too()
    {
        var dead = Make("brief.service");
        var naming = Naming();
        Directory.Delete($"{_root}/brief.service");

        naming.SweepCgroups();

        Assert.Empty(_kernel.Cgroups);
        Assert.Equal("brief.service", NameOf(naming, dead));
    }

    [Fact]
    public void A_crowd_of_new_ones_is_looked_at_before_it_fills_the_kernel()
    {
        var naming = Naming();
        for (ulong id = 1; id < 1024; id++)
        {
            Meet(id);
        }

        Assert.False(naming.HasManyNewCgroups);
        Meet(1024);
        Assert.True(naming.HasManyNewCgroups);

        naming.SweepCgroups();

        Assert.False(naming.HasManyNewCgroups);

        void Meet(ulong id)
        {
            _kernel.Cgroups[id | (1UL << 62)] = $"/brief-{id}.service";
            NameOf(naming, id | (1UL << 62));
        }
    }

    [Fact]
    public void A_unit_that_was_started_anew_is_another()
    {
        var first = Make("web.service");
        Directory.CreateDirectory($"{_root}/elsewhere");
        Directory.Move($"{_root}/web.service", $"{_root}/elsewhere/web.service");
        var second = Make("web.service");
        var naming = Naming();

        naming.SweepCgroups();

        Assert.NotEqual(first, second);
        Assert.Equal([second], _kernel.Cgroups.Keys);
        Assert.Equal("web.service", NameOf(naming, first));
    }

    [Fact]
    public void Where_nobody_can_look_nobody_is_taken_for_dead()
    {
        _kernel.Cgroups[7] = "/system.slice/web.service";
        _kernel.Cgroups[7 | (1UL << 63)] = "/system.slice/web.service";
        _kernel.Cgroups[8] = "/" + new string('a', 500);
        _kernel.Cgroups[9] = "/broken\uFFFD";
        var naming = Naming(new CgroupPresence(null, null));
        naming.SweepCgroups();
        Assert.Equal(4, _kernel.Cgroups.Count);

        naming = Naming(new CgroupPresence(_root, null));
        naming.SweepCgroups();
        Assert.Equal([8UL, 9UL, 7 | (1UL << 63)], _kernel.Cgroups.Keys.OrderBy(id => id));
    }

    /// <summary>As many as a busy node has in hours, with a kernel's map and a memory of a hundred and a thousand.</summary>
    [Fact]
    public void Ten_thousand_short_lived_cgroups_are_named_within_the_limits()
    {
        var naming = Naming(maxCgroups: 1000);
        var named = 0;
        for (var round = 0; round < 200; round++)
        {
            var ids = Enumerable.Range(0, 50).Select(i => Make($"job-{round}-{i}.service")).ToList();
            Assert.InRange(_kernel.Cgroups.Count, 0, 100);
            foreach (var directory in Directory.EnumerateDirectories(_root))
            {
                Directory.Delete(directory);
            }

            naming.SweepCgroups();
            named += ids.Count(id => NameOf(naming, id).StartsWith($"job-{round}-", StringComparison.Ordinal));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(10_000, named);
        Assert.InRange(_caches.Read().Single(cache => cache.Cache == "cgroups").Evictions, 8000, 10_000);
    }

    private EdgeNaming Naming(CgroupPresence? presence = null, int maxCgroups = 1000) =>
        Some.EdgeNaming(_kernel, _time, caches: _caches, presence: presence ?? new CgroupPresence(_root, null), maxCgroups: maxCgroups);

    private static string NameOf(EdgeNaming naming, ulong id) => naming.Name(Some.Edge(cgroup: id, executable: 1)).WorkloadName;

    private ulong Make(string name)
    {
        var id = InodeOf(Directory.CreateDirectory($"{_root}/{name}").FullName);
        _kernel.Cgroups[id] = $"/{name}";
        return id;
    }

    private static ulong InodeOf(string directory)
    {
        var path = System.Text.Encoding.UTF8.GetBytes(directory + "\0");
        Assert.Equal(0, LibC.statx(LibC.CurrentDirectory, path[0], 0, LibC.StatxInode, out var status));
        return status.Inode;
    }
}
