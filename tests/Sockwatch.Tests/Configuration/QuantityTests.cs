using Sockwatch.Configuration;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public class QuantityTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("250ms", 250)]
    [InlineData("5s", 5_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData("1m30s", 90_000)]
    [InlineData("2h", 7_200_000)]
    [InlineData("1d", 86_400_000)]
    [InlineData("00:00:05", 5_000)]
    public void Reads_durations_as_people_write_them(string text, int milliseconds)
    {
        Assert.True(Quantity.TryParseDuration(text, out var duration));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("5x")]
    [InlineData("-5s")]
    [InlineData("-00:00:05")]
    [InlineData("30s1m")]
    [InlineData("1m1m")]
    [InlineData("1..5s")]
    [InlineData("999999999999d")]
    [InlineData("99999999999999999999999999999999s")]
    public void Refuses_durations_that_could_mean_anything(string text) => Assert.False(Quantity.TryParseDuration(text, out _));

    [Theory]
    [InlineData("8388608", 8_388_608)]
    [InlineData("8MiB", 8_388_608)]
    [InlineData("64 KiB", 65_536)]
    [InlineData("1Gi", 1_073_741_824)]
    public void Reads_sizes(string text, long bytes)
    {
        Assert.True(Quantity.TryParseBytes(text, out var parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("8MB")]
    [InlineData("MiB")]
    [InlineData("-1")]
    [InlineData("")]
    public void Refuses_sizes_in_other_units(string text) => Assert.False(Quantity.TryParseBytes(text, out _));

    [Fact]
    public void Writes_durations_so_that_they_can_be_read_again()
    {
        var duration = TimeSpan.FromSeconds(90_061.5);

        Assert.Equal("1d1h1m1s500ms", Quantity.DurationText(duration));
        Assert.True(Quantity.TryParseDuration(Quantity.DurationText(duration), out var read));
        Assert.Equal(duration, read);
    }
}
