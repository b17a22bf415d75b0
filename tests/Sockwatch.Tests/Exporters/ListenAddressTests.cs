using Sockwatch.Exporters;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class ListenAddressTests
{
    [Theory]
    [InlineData("127.0.0.1:9807")]
    [InlineData(":9807")]
    [InlineData("[::1]:9807")]
    [InlineData("0.0.0.0:0")]
    public void Reads_an_address_and_a_port(string text)
    {
        Assert.True(ListenAddress.TryParse(text, out var address));
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("9807")]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.1:")]
    [InlineData("127.0.0.1:65536")]
    [InlineData("127.0.0.1:-1")]
    [InlineData("::1:9807")]
    [InlineData("example:9807")]
    public void Refuses_anything_else(string text) => Assert.False(ListenAddress.TryParse(text, out _));
}
