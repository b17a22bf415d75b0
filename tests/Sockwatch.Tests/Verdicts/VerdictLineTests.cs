using System.Text;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

public class VerdictLineTests
{
    [Theory]
    [InlineData("192.0.2.1 allow", "192.0.2.1/32", false, 0u, "")]
    [InlineData("192.0.2.1/32 detect", "192.0.2.1/32", true, 0u, "")]
    [InlineData("198.51.100.0/24 detect 7 Bad.Example", "198.51.100.0/24", true, 7u, "Bad.Example")]
    [InlineData("0.0.0.0/0 allow", "0.0.0.0/0", false, 0u, "")]
    [InlineData("::/0 allow", "::/0", false, 0u, "")]
    [InlineData("2001:db8::/32\tdetect\t4294967295\tA name of words", "2001:db8::/32", true, uint.MaxValue, "A name of words")]
    [InlineData("  ::1   detect  1  Six  # and why\r", "::1/128", true, 1u, "Six")]
    [InlineData("::ffff:192.0.2.7 detect 1 Mapped", "192.0.2.7/32", true, 1u, "Mapped")]
    [InlineData("::ffff:192.0.2.0/120 detect 1 Mapped", "192.0.2.0/24", true, 1u, "Mapped")]
    [InlineData("192.0.2.1 detect 2 C#", "192.0.2.1/32", true, 2u, "C#")]
    public void Takes(string line, string network, bool isDetect, uint classification, string name)
    {
        Assert.True(VerdictLine.TryParse(Encoding.UTF8.GetBytes(line), out var entry, out var error), error);

        Assert.Equal(network, VerdictLine.Format(entry.Address, entry.Length));
        Assert.Equal((isDetect, classification, name), (entry.IsDetect, entry.Classification, Encoding.UTF8.GetString(entry.Name)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("   \t\r")]
    [InlineData("# all of it")]
    [InlineData("  # all of it")]
    public void Passes_over_a_line_with_nothing_on_it(string line)
    {
        Assert.False(VerdictLine.TryParse(Encoding.UTF8.GetBytes(line), out _, out var error));
        Assert.Null(error);
    }

    [Theory]
    [InlineData("example.org detect", "'example.org' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("192.0.2 detect", "'192.0.2' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("192.0.2.01 detect", "'192.0.2.01' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("256.0.2.1 detect", "'256.0.2.1' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("fe80::1%eth0 detect", "'fe80::1%eth0' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("192.0.2.0/33 detect", "'192.0.2.0/33' has no length of a prefix after the slash; expected 0 to 32")]
    [InlineData("192.0.2.0/ detect", "'192.0.2.0/' has no length of a prefix after the slash; expected 0 to 32")]
    [InlineData("2001:db8::/129 allow", "'2001:db8::/129' has no length of a prefix after the slash; expected 0 to 128")]
    [InlineData("10.1.2.3/8 detect", "'10.1.2.3/8' has bits beyond the prefix; expected 10.0.0.0/8, or a longer prefix")]
    [InlineData("192.0.2.1", "no verdict; expected allow or detect after the address")]
    [InlineData("192.0.2.1 block", "'block' is no verdict; expected allow or detect")]
    [InlineData("192.0.2.1 detect seven", "'seven' is no classification; expected a whole number from 0 to 4294967295")]
    [InlineData("192.0.2.1 detect -1", "'-1' is no classification; expected a whole number from 0 to 4294967295")]
    [InlineData("\u001b[31m detect", "'\uFFFD[31m' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    public void Says_what_is_wrong_and_what_was_expected(string line, string expected)
    {
        Assert.False(VerdictLine.TryParse(Encoding.UTF8.GetBytes(line), out _, out var error));
        Assert.Equal(expected, error);
    }
}
