using Sockwatch.Enrichment;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class CgroupNameTests
{
    private const string Id = "3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e";
    private const string PodSlice = "kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice";

    /// <summary>One line a path; see the file.</summary>
    public static TheoryData<string, string, string, string, string> Recorded()
    {
        var recorded = new TheoryData<string, string, string, string, string>();
        foreach (var line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Enrichment/cgroup-paths.tsv")).Where(line => !line.StartsWith('#')))
        {
            var fields = line.Split('\t');
            recorded.Add(fields[0], fields[1], fields[2], fields[3], fields[4]);
        }

        return recorded;
    }

    [Theory]
    [MemberData(nameof(Recorded))]
    public void Reads_the_paths_that_runtimes_make(string runtime, string path, string container, string pod, string unit)
    {
        Assert.NotEmpty(runtime);
        var name = CgroupName.Parse(path);

        Assert.Equal((container, pod, unit), (name.ContainerId ?? "-", name.PodUid ?? "-", name.SystemdUnit ?? "-"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("")]
    [InlineData("/user.slice/user-1000.slice/session-3.scope")]
    [InlineData($"/machine.slice/libpod-conmon-{Id}.scope")]
    [InlineData($"/kubepods.slice/crio-conmon-{Id}.scope")]
    [InlineData($"/system.slice/x{Id}.scope")]
    [InlineData("/docker/3F4E9D0C1B2A3F4E9D0C1B2A3F4E9D0C1B2A3F4E9D0C1B2A3F4E9D0C1B2A3F4E")]
    [InlineData("/docker/3f4e9d0c1b2a")]
    [InlineData($"/libpod_parent/{Id}")]
    public void Takes_nothing_else_for_a_container(string path) => Assert.Null(CgroupName.Parse(path).ContainerId);

    [Theory]
    [InlineData("/system.slice/nginx.service", "nginx.service")]
    [InlineData("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.service", "app-firefox.service")]
    [InlineData("/system.slice/postgresql.service/workers", "postgresql.service")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service", null)]
    [InlineData("/user.slice/user-1000.slice/session-3.scope", null)]
    public void Finds_the_systemd_unit(string path, string? unit) => Assert.Equal(unit, CgroupName.Parse(path).SystemdUnit);

    [Theory]
    [InlineData("/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-44445555666")]
    [InlineData("/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-44445555666z")]
    [InlineData("/kubepods/burstable/xpod0a1b2c3d-1111-2222-3333-444455556666")]
    [InlineData("/kubepods/burstable/pod0a1b2c3d_1111-2222-3333-444455556666x")]
    [InlineData("/kubepods.slice/0a1b2c3d_1111_2222_3333_444455556666.slice")]
    [InlineData("/kubepods/burstable/pod")]
    public void Takes_nothing_else_for_a_pod(string path) => Assert.Null(CgroupName.Parse(path).PodUid);

    [Fact]
    public void Knows_what_the_containers_of_a_pod_have_in_common() =>
        Assert.Equal($"/kubepods.slice/{PodSlice}", CgroupName.Parse($"/kubepods.slice/{PodSlice}/crio-{Id}.scope/container").Parent);
}
