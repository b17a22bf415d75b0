using System.Diagnostics;
using System.Text;
using Sockwatch.Payload;
using Xunit;

namespace Sockwatch.Tests.Payload;

public class RedactionTests
{
    [Theory]
    [InlineData("password=[^&]*", "user=a&password=secret&x=1", "user=a&***************&x=1")]
    [InlineData("(?i)authorization: [^\\r]*", "GET /\r\nAuthorization: Basic Zm9v\r\n", "GET /\r\n*************************\r\n")]
    [InlineData("secret", "nothing here", "nothing here")]
    [InlineData("x*", "axxb", "a**b")]
    public void Overwrites_what_matches_byte_for_byte(string pattern, string text, string expected)
    {
        var bytes = Encoding.Latin1.GetBytes(text);

        new Redaction([pattern]).Apply(bytes);

        Assert.Equal(expected, Encoding.Latin1.GetString(bytes));
    }

    [Fact]
    public void Bytes_that_are_no_text_keep_their_places()
    {
        byte[] bytes = [0, 255, 128, .. "token=abc"u8, 195, 40, 0];

        new Redaction(["token=[a-z]+"]).Apply(bytes);

        Assert.Equal([0, 255, 128, .. "*********"u8, 195, 40, 0], bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("(")]
    [InlineData("(?=a)b")]
    [InlineData("(a)\\1")]
    [InlineData("pässword")]
    public void A_pattern_that_could_stall_or_mislead_is_refused(string pattern) => Assert.NotNull(Redaction.WhyNot(pattern));

    [Fact]
    public void No_text_takes_longer_than_its_length_allows()
    {
        var redaction = new Redaction(["(a+)+b", "(.*a){20}"]);
        var bytes = Enumerable.Repeat((byte)'a', 64 * 1024).ToArray();
        var clock = Stopwatch.StartNew();

        redaction.Apply(bytes);

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"{clock.Elapsed}");
    }
}
