using Sockwatch.Configuration;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public class EditDistanceTests
{
    [Theory]
    [InlineData("interval", "interval", 0)]
    [InlineData("INTERVAL", "interval", 0)]
    [InlineData("intervall", "interval", 1)]
    [InlineData("intervla", "interval", 1)]
    [InlineData("", "abc", 3)]
    public void Counts_typing_mistakes(string typed, string known, int mistakes) =>
        Assert.Equal(mistakes, EditDistance.Between(typed, known));

    [Fact]
    public void Proposes_nothing_when_no_word_is_near() => Assert.Null(EditDistance.Nearest("--banana", ["--listen", "--for"]));

    [Fact]
    public void Measures_a_word_of_a_megabyte_in_no_time() =>
        Assert.InRange(EditDistance.Between(new string('x', 1_000_000), "interval"), 1, 64);
}
