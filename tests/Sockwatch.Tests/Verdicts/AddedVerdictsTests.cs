using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

public class AddedVerdictsTests
{
    private readonly ManualTime _time = new();
    private readonly LossLedger _losses = new();
    private readonly ListStatus _status = new();

    [Fact]
    public void Lasts_for_the_time_of_its_kind_or_its_own()
    {
        var added = Verdicts();
        added.Add(1, 128, null, null);
        added.Add(2, 128, (7, "Bad"), null);
        added.Add(3, 128, (7, "Bad"), TimeSpan.FromMinutes(1));

        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal([1, 2], added.List().Select(entry => (int)entry.Address));
        _time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(new Detection(7, "Bad"), Assert.Single(added.List()).Kind);
        _time.Advance(TimeSpan.FromHours(1));

        Assert.Empty(added.List());
        Assert.Equal(0, _status.Added);
    }

    [Fact]
    public void The_oldest_makes_room_for_the_newest_and_is_counted()
    {
        var added = Verdicts(limit: 100);
        for (var i = 0; i < 250; i++)
        {
            added.Add((UInt128)i, 128, (1, "x"), null);
        }

        Assert.Equal(Enumerable.Range(150, 100), added.List().Select(entry => (int)entry.Address));
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.AddedFull, 150), _losses.Read());
        Assert.Equal(100, _status.Added);
    }

    [Fact]
    public void Adding_a_network_again_replaces_it_and_begins_its_time_anew()
    {
        var added = Verdicts(limit: 2);
        added.Add(1, 128, (1, "x"), TimeSpan.FromMinutes(2));
        _time.Advance(TimeSpan.FromMinutes(1));
        added.Add(1, 128, null, TimeSpan.FromMinutes(2));
        _time.Advance(TimeSpan.FromMinutes(1.5));

        Assert.Null(Assert.Single(added.List()).Kind);
        Assert.True(added.Remove(1, 128));
        Assert.False(added.Remove(1, 128));
        Assert.Equal(0, added.Count);
    }

    [Fact]
    public void A_lower_limit_is_in_force_at_once_and_a_higher_one_up_to_what_the_kernel_has_room_for()
    {
        var added = Verdicts(limit: 10);
        var option = VerdictServices.MaxAdded(added);
        for (var i = 0; i < 10; i++)
        {
            added.Add((UInt128)i, 128, (1, "x"), null);
        }

        option.Write("3");
        Assert.Equal([7, 8, 9], added.List().Select(entry => (int)entry.Address));
        Assert.Contains(new Loss(LossLedger.VerdictsStage, LossLedger.AddedFull, 7), _losses.Read());
        Assert.True(option.IsChanged);
        option.Write("0");
        Assert.Null(added.Add(1, 128, null, null));
        Assert.Null(option.WhyNot!("10"));
        Assert.Equal("the kernel has room for 10; for more, set it in the configuration and restart", option.WhyNot!("11"));
        option.Write("10");
        Assert.NotNull(added.Add(1, 128, null, null));
        Assert.Equal(10, added.Room);
    }

    [Fact]
    public void Times_that_are_changed_are_those_of_what_is_added_from_then_on()
    {
        var added = Verdicts();
        var (allow, detect) = (VerdictServices.AllowTtl(added), VerdictServices.DetectTtl(added));
        Assert.Equal(("1h", "2h"), (allow.Read(), detect.Read()));
        added.Add(1, 128, null, null);

        allow.Write(allow.Setting.Rule.Normalise("5m")!);
        detect.Write(detect.Setting.Rule.Normalise("90s")!);
        added.Add(2, 128, null, null);
        added.Add(3, 128, (1, "x"), null);

        Assert.Equal(("5m", "1m30s"), (allow.Read(), detect.Read()));
        Assert.Equal([3600, 300, 90], added.List().Select(entry => (int)(entry.ExpiresAt - entry.AddedAt).TotalSeconds));
    }

    [Fact]
    public void None_are_taken_when_there_is_to_be_none() => Assert.Null(Verdicts(limit: 0).Add(1, 128, null, null));

    private AddedVerdicts Verdicts(int limit = 1000) => new(
        Options.Create(new VerdictOptions { MaxAdded = limit, AllowTtl = TimeSpan.FromHours(1), DetectTtl = TimeSpan.FromHours(2) }),
        new Detections(_time), new KernelLists(), _status, _losses, _time);
}
