using System.Text;
using Sockwatch.Enrichment.Kubernetes.Api;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

public sealed class JsonItemsTests
{
    private const string List = """
        {"kind":"PodList","extra":{"items":[1,2]},"items":[ {"a":"}]\"","b":[{}]} , {"metadata":{"name":"é"}},
        {"c":null}], "metadata":{"resourceVersion":"42","continue":"abc=","remainingItemCount":3}}
        """;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task A_list_is_taken_apart_however_it_arrives(int length)
    {
        var items = new List<string>();
        var list = new ListItems(item => items.Add(Encoding.UTF8.GetString(item)));

        await list.ReadAsync(new Drops(List, length), Patience, CancellationToken.None);

        Assert.Equal(["{\"a\":\"}]\\\"\",\"b\":[{}]}", "{\"metadata\":{\"name\":\"é\"}}", "{\"c\":null}"], items);
        Assert.Equal(("42", "abc="), (list.Metadata.ResourceVersion, list.Metadata.Continue));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100_000)]
    public async Task Events_come_one_by_one(int length)
    {
        var items = new List<string>();
        var events = new WatchItems(item => items.Add(Encoding.UTF8.GetString(item)));

        await events.ReadAsync(new Drops("{\"type\":\"ADDED\",\"object\":{\"a\":\"{\\n\"}}\n\n{\"b\":2}{\"c\":[1]}\r\n{\"half\":", length), Patience, CancellationToken.None);

        Assert.Equal(["{\"type\":\"ADDED\",\"object\":{\"a\":\"{\\n\"}}", "{\"b\":2}", "{\"c\":[1]}"], items);
    }

    [Theory]
    [InlineData("{\"items\":null,\"metadata\":{\"resourceVersion\":\"7\"}}")]
    [InlineData("{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[]}")]
    public async Task A_list_can_be_empty(string text)
    {
        var list = new ListItems(_ => Assert.Fail("no item"));

        await list.ReadAsync(new Drops(text, 3), Patience, CancellationToken.None);

        Assert.Equal("7", list.Metadata.ResourceVersion);
    }

    [Theory]
    [InlineData("{\"items\":[{\"a\":1},{\"b\":")]
    [InlineData("<html>502 Bad Gateway</html>")]
    [InlineData("")]
    [InlineData("{\"items\":[{\"a\":1}}")]
    public async Task A_list_that_is_none_or_not_whole_is_a_failure(string text)
    {
        var list = new ListItems(_ => { });

        await Assert.ThrowsAsync<ApiException>(() => list.ReadAsync(new Drops(text, 4), Patience, CancellationToken.None));
    }

    [Fact]
    public async Task An_object_without_end_is_given_up()
    {
        var list = new ListItems(_ => { });
        var endless = "{\"items\":[{\"a\":\"" + new string('x', 40 * 1024 * 1024);

        var failure = await Assert.ThrowsAsync<ApiException>(() => list.ReadAsync(new Drops(endless, 1 << 20), Patience, CancellationToken.None));

        Assert.Contains("longer than", failure.Message);
    }

    [Fact]
    public async Task Silence_has_an_end()
    {
        var list = new ListItems(_ => { });

        var failure = await Assert.ThrowsAsync<ApiException>(() => list.ReadAsync(new Drops(List, 10, endsInSilence: true), TimeSpan.FromMilliseconds(50), CancellationToken.None));

        Assert.StartsWith("nothing arrived", failure.Message);
    }

    [Fact]
    public void What_is_no_text_becomes_a_mark()
    {
        var bytes = Encoding.Latin1.GetBytes("{\"metadata\":{\"name\":\"a\xff\"}}");

        Assert.Equal("a\ufffd", ApiText.Read(bytes, ApiJson.Default.ServiceObject)!.Metadata!.Name);
        Assert.Null(ApiText.Read("{\"metadata\":[]}"u8, ApiJson.Default.ServiceObject));
        Assert.Null(ApiText.Read("{\"metadata\":{\"name\":\"\\ud800\"}}"u8, ApiJson.Default.ServiceObject));
    }

    private sealed class Drops(string text, int length, bool endsInSilence = false) : MemoryStream(Encoding.UTF8.GetBytes(text))
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (endsInSilence && Position == Length)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            return Read(buffer.Span[..Math.Min(length, buffer.Length)]);
        }
    }
}
