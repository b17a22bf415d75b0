using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Kernel;

public sealed class ErrorTypeTests
{
    [Theory]
    [InlineData(0, "")]
    [InlineData(111, "connection_refused")]
    [InlineData(110, "timed_out")]
    [InlineData(113, "host_unreachable")]
    [InlineData(101, "network_unreachable")]
    [InlineData(104, "connection_reset")]
    [InlineData(99, "address_not_available")]
    [InlineData(32, "broken_pipe")]
    [InlineData(4095, "_OTHER")]
    public void Names_an_errno_as_the_contract_does(int errno, string name) => Assert.Equal(name, ErrorType.Name(errno));
}
