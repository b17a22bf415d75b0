using Sockwatch.Enrichment;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class CgroupNameTests
{
    private const string Id = "3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e9d0c1b2a3f4e";
    private const string Outer = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    private const string PodSlice = "kubepods-burstable-pod0a1b2c3d_1111_2222_3333_444455556666.slice";

    [Theory]
    [InlineData("docker, cgroupfs", $"/docker/{Id}")]
    [InlineData("docker, systemd", $"/system.slice/docker-{Id}.scope")]
    [InlineData("docker, rootless", $"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{Id}.scope")]
    [InlineData("containerd, nerdctl", $"/system.slice/nerdctl-{Id}.scope")]
    [InlineData("containerd, ctr", $"/default/{Id}")]
    [InlineData("cri-o, systemd", $"/kubepods.slice/kubepods-besteffort.slice/{PodSlice}/crio-{Id}.scope")]
    [InlineData("cri-o, a child of its own", $"/kubepods.slice/kubepods-besteffort.slice/{PodSlice}/crio-{Id}.scope/container")]
    [InlineData("podman, systemd", $"/machine.slice/libpod-{Id}.scope")]
    [InlineData("podman, systemd, with a child", $"/machine.slice/libpod-{Id}.scope/container")]
    [InlineData("podman, cgroupfs", $"/libpod_parent/libpod-{Id}")]
    [InlineData("podman, rootless", $"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{Id}.scope/container")]
    [InlineData("kubepods, cgroupfs", $"/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/{Id}")]
    [InlineData("kubepods, guaranteed", $"/kubepods/pod0a1b2c3d-1111-2222-3333-444455556666/{Id}")]
    [InlineData("kubepods, systemd", $"/kubepods.slice/kubepods-burstable.slice/{PodSlice}/cri-containerd-{Id}.scope")]
    [InlineData("kubepods, driver mismatch", $"/system.slice/containerd.service/{PodSlice}:cri-containerd:{Id}")]
    [InlineData("docker in docker", $"/docker/{Outer}/docker/{Id}")]
    [InlineData("kind", $"/docker/{Outer}/kubelet.slice/kubelet-kubepods.slice/{PodSlice}/cri-containerd-{Id}.scope")]
    [InlineData("systemd in a container", $"/docker/{Id}/system.slice/nginx.service")]
    [InlineData("ECS", $"/ecs/0123456789abcdef0123456789abcdef/{Id}")]
    public void Finds_the_innermost_container(string runtime, string path)
    {
        Assert.NotEmpty(runtime);
        Assert.Equal(Id, CgroupName.Parse(path).ContainerId);
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
    public void Takes_nothing_else_for_a_container(string path) => Assert.Null(CgroupName.Parse(path).ContainerId);

    [Theory]
    [InlineData("/system.slice/nginx.service", "nginx.service")]
    [InlineData("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.service", "app-firefox.service")]
    [InlineData("/system.slice/postgresql.service/workers", "postgresql.service")]
    [InlineData("/user.slice/user-1000.slice/user@1000.service", null)]
    [InlineData("/user.slice/user-1000.slice/session-3.scope", null)]
    public void Finds_the_systemd_unit(string path, string? unit) => Assert.Equal(unit, CgroupName.Parse(path).SystemdUnit);

    [Fact]
    public void Knows_what_the_containers_of_a_pod_have_in_common() =>
        Assert.Equal($"/kubepods.slice/{PodSlice}", CgroupName.Parse($"/kubepods.slice/{PodSlice}/crio-{Id}.scope/container").Parent);
}
