using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public sealed class RotatingFileTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("sockwatch-test-");

    private string FilePath => Path.Combine(_directory.FullName, "flows.json");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void Begins_a_new_file_when_one_is_full_and_splits_no_line()
    {
        using var file = new RotatingFile(FilePath, maxBytes: 10, maxFiles: 3);

        Write(file, "aaa\nbbb\nccc\n");
        Write(file, "ddd\n");
        Write(file, "eee\n");

        Assert.Equal("ccc\nddd\n", File.ReadAllText(FilePath + ".1"));
        Assert.Equal("aaa\nbbb\n", File.ReadAllText(FilePath + ".2"));
        Assert.Equal("eee\n", File.ReadAllText(FilePath));
    }

    [Fact]
    public void Keeps_so_many_files_and_no_more()
    {
        using var file = new RotatingFile(FilePath, maxBytes: 4, maxFiles: 2);

        for (var i = 0; i < 9; i++)
        {
            Write(file, $"{i}{i}{i}\n");
        }

        Assert.Equal(["flows.json", "flows.json.1", "flows.json.2"], _directory.GetFiles().Select(one => one.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["888\n", "777\n", "666\n"], new[] { "", ".1", ".2" }.Select(end => File.ReadAllText(FilePath + end)));
    }

    [Fact]
    public void Writes_a_line_that_is_longer_than_a_file()
    {
        using var file = new RotatingFile(FilePath, maxBytes: 5, maxFiles: 5);

        Write(file, "a\nlonger than five\nb\n");

        Assert.Equal(["b\n", "longer than five\n", "a\n"], new[] { "", ".1", ".2" }.Select(end => File.ReadAllText(FilePath + end)));
    }

    [Fact]
    public void Goes_on_counting_in_a_file_that_was_there()
    {
        File.WriteAllText(FilePath, "before\n");
        using var file = new RotatingFile(FilePath, maxBytes: 10, maxFiles: 5);

        Write(file, "after\n");

        Assert.Equal(("after\n", "before\n"), (File.ReadAllText(FilePath), File.ReadAllText(FilePath + ".1")));
    }

    [Fact]
    public void Opens_the_file_anew_when_asked_to_and_not_before()
    {
        using var file = new RotatingFile(FilePath, maxBytes: 0, maxFiles: 5);
        Write(file, "one\n");
        File.Move(FilePath, FilePath + ".old");
        Write(file, "two\n");

        file.Reopen();
        Write(file, "three\n");

        Assert.Equal(("one\ntwo\n", "three\n"), (File.ReadAllText(FilePath + ".old"), File.ReadAllText(FilePath)));
    }

    [Fact]
    public void A_reopening_that_fails_is_told_once_and_tried_again_at_each_write()
    {
        var told = new List<string?>();
        using var file = new RotatingFile(FilePath, maxBytes: 0, maxFiles: 5) { ReopenFailing = told.Add };
        Write(file, "one\n");
        File.Move(FilePath, FilePath + ".old");
        Directory.CreateDirectory(FilePath); // In its place.

        file.Reopen();
        file.Refresh();
        Write(file, "two\n");
        Write(file, "three\n");
        Directory.Delete(FilePath);
        Write(file, "four\n");

        Assert.Equal(("one\ntwo\nthree\n", "four\n"), (File.ReadAllText(FilePath + ".old"), File.ReadAllText(FilePath)));
        Assert.Equal([$"cannot open the flow log {FilePath}: Is a directory", null], told);
    }

    [Fact]
    public async Task A_file_is_opened_anew_though_there_is_nothing_to_write()
    {
        var file = new RotatingFile(FilePath, maxBytes: 0, maxFiles: 5);
        using var log = new FlowLog(
            new FlowLogJson(new FakeNaming(), FlowLogSamples.Clock(), new FlowLogIdentity(new HostPaths())), file, Options.Create(new FlowLogOptions()), NullLogger<FlowLog>.Instance);
        await log.StartAsync(CancellationToken.None);
        File.Move(FilePath, FilePath + ".old");

        file.Reopen();
        log.Wake();

        await Some.UntilAsync(() => File.Exists(FilePath));
        log.OnRecord(FlowLogSamples.Plain(1));
        await log.StopAsync(CancellationToken.None);
        Assert.NotEqual("", await File.ReadAllTextAsync(FilePath, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_file_that_cannot_be_renamed_grows_and_loses_no_line()
    {
        using var file = new RotatingFile(FilePath, maxBytes: 4, maxFiles: 1);
        Directory.CreateDirectory(FilePath + ".1"); // In the way of the rename.

        Write(file, "aaa\n");
        Write(file, "bbb\n");

        Assert.Equal("aaa\nbbb\n", File.ReadAllText(FilePath));
    }

    [Fact]
    public void A_full_device_reports_its_error()
    {
        using var file = new RotatingFile("/dev/full", maxBytes: 1000, maxFiles: 1);

        Assert.Equal(0, file.Write("x\n"u8, out var errno));
        Assert.Equal(28, errno);
    }

    private static void Write(RotatingFile file, string lines)
    {
        Assert.Equal(lines.Length, file.Write(Encoding.UTF8.GetBytes(lines), out var errno));
        Assert.Equal(0, errno);
    }
}
