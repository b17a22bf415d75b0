using System.Runtime.CompilerServices;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class EdgeKeyTests
{
    // It is compared five words at a time.
    [Fact]
    public void Is_five_words_long() => Assert.Equal(5 * sizeof(ulong), Unsafe.SizeOf<EdgeKey>());

    [Theory]
    [InlineData(0UL, 0UL, 0U)]
    [InlineData(0x7FFF_FFFF_FFFF_FFFFUL, 0x7FFF_FFFF_FFFF_FFFFUL, 0U)]
    [InlineData(0x8000_0000_0040_0001UL, 0x40_0000UL, 1U)]
    [InlineData(0xFFFF_FFFF_FFFF_FFFFUL, 0x7FFF_FFFF_FFC0_0000UL, 4_194_303U)]
    [InlineData(0x8000_0000_0000_004DUL, 0UL, 77U)]
    public void Has_the_executable_and_the_pid_apart(ulong id, ulong executable, uint pid)
    {
        var key = Some.Edge(executable: id);

        Assert.Equal((executable, pid), (key.Executable, key.Pid));
    }

    [Fact]
    public void Differs_by_every_field()
    {
        var key = Some.Edge();
        EdgeKey[] others =
        [
            key with { CgroupId = 9 }, key with { ExecutableId = 9 }, key with { PeerAddress = Address16.Parse("198.51.100.2") },
            key with { ServerPort = 9 }, key with { Role = NetworkRole.Server }, key with { Transport = 17 }, key with { NetworkType = 6 },
        ];

        Assert.All(others, other => Assert.NotEqual(key, other));
        Assert.Equal(8, others.Append(key).Select(one => one.GetHashCode()).Distinct().Count());
        Assert.Equal(key, Some.Edge());
    }
}
