using System.Text;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

public sealed class VerdictFileTests : IDisposable
{
    private const string Likely = "0123456789abcdef:./# \t\n\r\0\u00ff%-";

    private readonly string _path = Path.GetTempFileName();
    private readonly Detections _detections = new(new ManualTime());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_broken_line_is_reported_with_its_number_and_the_rest_is_used()
    {
        var content = Read("# list\n\n192.0.2.1 detect 1 One\nnonsense\n192.0.2.2 detect 1 One\n2001:db8::1 allow");

        Assert.Null(content.Problem);
        Assert.Equal((2, 1, 1L), (content.Entries.IPv4.Length, content.Entries.IPv6.Length, content.Broken));
        Assert.Equal(4, Assert.Single(content.FirstBroken).Number);
    }

    [Fact]
    public void Of_many_broken_lines_some_are_reported_and_all_counted()
    {
        var content = Read("192.0.2.1 allow\n" + string.Concat(Enumerable.Repeat("x\n", 1000)));

        Assert.Equal((10, 1000L), (content.FirstBroken.Count, content.Broken));
    }

    [Fact]
    public void A_line_too_long_to_be_one_is_one_broken_line()
    {
        var content = Read($"192.0.2.1 allow\n{new string('9', 2_000_000)}\n192.0.2.2 allow\n192.0.2.3 detect 1 {new string('n', 2000)}\n192.0.2.4 allow\n");

        Assert.Equal((3, 2L), (content.Entries.Count, content.Broken));
        Assert.Equal([2L, 4L], content.FirstBroken.Select(line => line.Number));
    }

    [Fact]
    public void Entries_beyond_the_limit_are_counted()
    {
        var content = Read(string.Concat(Enumerable.Range(0, 100).Select(i => $"192.0.2.{i} allow\n")), room: 40);

        Assert.Equal((40, 60L), (content.Entries.Count, content.LeftOut));
    }

    [Theory]
    [InlineData("", "is empty; a comment in it says that this is meant")]
    [InlineData("x\ny\n", "has no line that can be used; the first is line 1: 'x' is no address; expected one such as 192.0.2.1, 198.51.100.0/24 or 2001:db8::/32")]
    [InlineData("# nothing, on purpose\n", null)]
    public void Says_why_a_file_cannot_be_used(string text, string? problem) => Assert.Equal(problem, Read(text).Problem);

    [Theory]
    [InlineData("/nonexistent/list", "is not there")]
    [InlineData("/dev/zero", "is no regular file")]
    [InlineData("/tmp", "is no regular file")]
    public void What_is_no_file_is_not_read(string path, string problem) => Assert.Equal(problem, VerdictFile.Read(path, _detections, 10).Problem);

    [Fact]
    public void A_mark_of_another_system_at_the_start_is_no_address()
    {
        Assert.Equal(1, Read("\uFEFF192.0.2.1 allow\r\n").Entries.Count);
    }

    /// <summary>Whatever is in a file, each of its lines is an entry, is broken, or has nothing on it.</summary>
    [Fact]
    public void Any_file_is_read_to_its_end()
    {
        var random = new Random(20261125);
        var good = Encoding.UTF8.GetBytes(
            "198.51.100.0/24 detect 7 Bad.Example # why\n::ffff:192.0.2.0/120 allow\n2001:db8::/32 detect 4294967295 Names of words\n0.0.0.0/0 allow\n\n# x\n");
        for (var round = 0; round < 3000; round++)
        {
            var bytes = new List<byte>(good);
            for (var change = random.Next(1, 30); change > 0; change--)
            {
                var at = random.Next(bytes.Count + 1);
                switch (random.Next(4))
                {
                    case 0 when at < bytes.Count:
                        bytes[at] = (byte)random.Next(256);
                        break;
                    case 1:
                        bytes.Insert(at, (byte)Likely[random.Next(Likely.Length)]);
                        break;
                    case 2 when at < bytes.Count:
                        bytes.RemoveAt(at);
                        break;
                    default:
                        bytes.InsertRange(at, good.Take(random.Next(good.Length)));
                        break;
                }
            }

            var text = bytes.ToArray();
            File.WriteAllBytes(_path, text);

            var content = VerdictFile.Read(_path, _detections, int.MaxValue);

            var lines = text.Count(one => one == '\n') + (text.Length > 0 && text[^1] != '\n' ? 1 : 0);
            Assert.InRange(content.Entries.Count + content.Broken, 0, lines);
            Assert.All(content.FirstBroken, line => Assert.InRange(line.Number, 1, lines));
            Assert.All(content.FirstBroken, line => Assert.DoesNotContain(line.Reason, character => char.IsControl(character)));
            foreach (var entry in content.Entries.IPv4)
            {
                Assert.InRange(VerdictEntries.Unpack(entry).Length, 0, 32);
            }
        }
    }

    private VerdictFileContent Read(string text, int room = 1000)
    {
        File.WriteAllText(_path, text);
        return VerdictFile.Read(_path, _detections, room);
    }
}
