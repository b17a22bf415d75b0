using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

public sealed class VerdictListsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sockwatch-lists-");
    private readonly LossLedger _losses = new();
    private readonly ListStatus _status = new();
    private DateTime _changedAt = new(2026, 11, 25, 0, 0, 0, DateTimeKind.Utc);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_file_that_changes_is_read_again()
    {
        var file = Write("list", "192.0.2.1 detect\n");
        var lists = Lists(file);
        lists.Reload();
        Assert.False(lists.HasChanged());

        Write("list", "192.0.2.1 detect\n192.0.2.2 detect\n");

        Assert.True(lists.HasChanged());
        Assert.True(lists.Reload());
        Assert.Equal((2, 2), (lists.Count, _status.FromFiles));
    }

    [Theory]
    [InlineData("")]
    [InlineData("all of this is nonsense\n")]
    [InlineData(null)]
    public void A_file_that_cannot_be_used_never_empties_the_list_in_force(string? text)
    {
        var file = Write("list", "192.0.2.1 detect\n192.0.2.2 detect\n");
        var lists = Lists(file);
        lists.Reload();

        if (text is null)
        {
            File.Delete(file);
        }
        else
        {
            Write("list", text);
        }

        Assert.True(lists.HasChanged());
        Assert.False(lists.Reload());
        Assert.Equal((2, 2), (lists.Count, _status.FromFiles));
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.BrokenFile, 1), _losses.Read());

        // Told once, until it changes again.
        Assert.False(lists.HasChanged());
        Write("list", "192.0.2.9 detect\n");
        Assert.True(lists.Reload());
        Assert.Equal(1, lists.Count);
    }

    [Fact]
    public void One_broken_file_does_not_keep_the_others_from_changing()
    {
        var (one, other) = (Write("one", "192.0.2.1 detect\n"), Write("other", "192.0.2.2 detect\n"));
        var lists = Lists(one, other);
        lists.Reload();

        Write("one", "");
        Write("other", "192.0.2.2 detect\n192.0.2.3 detect\n");

        Assert.True(lists.Reload());
        Assert.Equal(3, lists.Count);
    }

    [Fact]
    public void A_comment_says_that_a_list_is_to_be_empty()
    {
        var file = Write("list", "192.0.2.1 detect\n");
        var lists = Lists(file);
        lists.Reload();

        Write("list", "# none any more\n");

        Assert.True(lists.Reload());
        Assert.Equal(0, lists.Count);
    }

    [Fact]
    public void Follows_a_directory_as_a_config_map_changes_it()
    {
        // The files are links into a folder behind a link, which is changed by putting a new link in its place.
        Folder("..v1", "10.0.0.1 detect\n");
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "..data"), "..v1");
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "list"), "..data/list");
        var lists = Lists(_folder.FullName);
        lists.Reload();
        Assert.Equal(1, lists.Count);

        Folder("..v2", "10.0.0.1 detect\n10.0.0.2 detect\n10.0.0.3 detect\n");
        File.Delete(Path.Combine(_folder.FullName, "..data"));
        File.CreateSymbolicLink(Path.Combine(_folder.FullName, "..data"), "..v2");

        Assert.True(lists.HasChanged());
        lists.Reload();
        Assert.Equal(3, lists.Count);

        void Folder(string name, string text)
        {
            Directory.CreateDirectory(Path.Combine(_folder.FullName, name));
            File.WriteAllText(Path.Combine(_folder.FullName, name, "list"), text);
        }
    }

    [Fact]
    public void Files_come_and_go_in_a_directory_but_its_last_one_stays()
    {
        Write("one", "192.0.2.1 detect\n");
        var other = Write("other", "192.0.2.2 detect\n192.0.2.3 detect\n");
        var lists = Lists(_folder.FullName);
        lists.Reload();
        Assert.Equal(3, lists.Count);

        File.Delete(other);
        Assert.True(lists.Reload());
        Assert.Equal(1, lists.Count);
        File.Delete(Path.Combine(_folder.FullName, "one"));
        lists.Reload();

        Assert.Equal(1, lists.Count);
    }

    [Fact]
    public void What_goes_over_the_limit_is_counted()
    {
        var file = Write("list", string.Concat(Enumerable.Range(0, 30).Select(i => $"192.0.2.{i} detect\n")));
        var lists = Lists(10, file);

        lists.Reload();

        Assert.Equal(10, lists.Count);
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.EntriesFull, 20), _losses.Read());
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        File.SetLastWriteTimeUtc(path, _changedAt = _changedAt.AddSeconds(1));
        return path;
    }

    [Fact]
    public void A_number_that_only_added_entries_had_is_free_again_without_any_file_changing()
    {
        var time = new ManualTime();
        var kernel = new KernelLists();
        var detections = new Detections(time, limit: 2);
        var options = Options.Create(new VerdictOptions { DetectTtl = TimeSpan.FromMinutes(10) });
        var added = new AddedVerdicts(options, detections, kernel, _status, _losses, time);
        var lists = new VerdictLists(options, detections, added, kernel, _status, _losses, time, NullLogger<VerdictLists>.Instance);
        foreach (var name in (string[])["first", "second", "third"])
        {
            added.Add(1, 128, (1, name), null);
        }

        // Entries that share a number are counted without a file being read.
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.NamesFull, 1), _losses.Read());
        lists.ForgetUnlisted();
        time.Advance(TimeSpan.FromHours(1));
        added.Add(1, 128, (1, "second"), null);
        lists.ForgetUnlisted();

        added.Add(2, 128, (1, "fourth"), null);
        Assert.Equal(["second", "fourth"], added.List().Select(entry => entry.Kind!.Value.Name));
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.NamesFull, 1), _losses.Read());
    }

    private VerdictLists Lists(params string[] files) => Lists(1000, files);

    private VerdictLists Lists(int maxEntries, params string[] files)
    {
        var options = new VerdictOptions { MaxEntries = maxEntries };
        foreach (var file in files)
        {
            options.Files.Add(file);
        }

        var time = new ManualTime();
        var kernel = new KernelLists();
        var detections = new Detections(time);
        var wrapped = Options.Create(options);
        return new VerdictLists(
            wrapped, detections, new AddedVerdicts(wrapped, detections, kernel, _status, _losses, time), kernel, _status, _losses, time,
            NullLogger<VerdictLists>.Instance);
    }
}
