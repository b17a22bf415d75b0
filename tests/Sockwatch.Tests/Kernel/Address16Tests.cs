using System.Net;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class Address16Tests
{
    [Theory]
    [InlineData("198.51.100.7")]
    [InlineData("2001:db8::1")]
    [InlineData("::1")]
    public void Comes_back_as_it_was(string address) =>
        Assert.Equal(IPAddress.Parse(address), Address16.Parse(address).ToIPAddress());

    [Fact]
    public void Shows_a_mapped_address_as_IPv4() =>
        Assert.Equal("198.51.100.7", Address16.Parse("::ffff:198.51.100.7").ToString());

    [Fact]
    public void Is_zero_only_when_every_byte_is()
    {
        Assert.True(default(Address16).IsZero);
        Assert.False(Address16.Parse("0.0.0.0").IsZero);
    }
}
