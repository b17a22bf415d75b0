using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Enrichment;

public sealed class PeerClassTests
{
    [Theory]
    [InlineData("127.0.0.1", "loopback")]
    [InlineData("127.255.255.254", "loopback")]
    [InlineData("::1", "loopback")]
    [InlineData("10.0.0.1", "private")]
    [InlineData("172.15.255.255", "public")]
    [InlineData("172.16.0.1", "private")]
    [InlineData("172.31.255.255", "private")]
    [InlineData("172.32.0.0", "public")]
    [InlineData("192.168.1.1", "private")]
    [InlineData("169.254.169.254", "private")]
    [InlineData("100.64.0.1", "private")]
    [InlineData("100.128.0.1", "public")]
    [InlineData("224.0.0.251", "private")]
    [InlineData("255.255.255.255", "private")]
    [InlineData("8.8.8.8", "public")]
    [InlineData("fd00::1", "private")]
    [InlineData("fc00::1", "private")]
    [InlineData("fe80::1", "private")]
    [InlineData("ff02::fb", "private")]
    [InlineData("2001:db8::1", "public")]
    [InlineData("0.0.0.0", "")]
    [InlineData("::", "")]
    public void Is_by_the_address(string address, string peerClass) => Assert.Equal(peerClass, PeerClass.Of(Address16.Parse(address)));
}
