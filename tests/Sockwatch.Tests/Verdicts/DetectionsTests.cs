using System.Text;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;
using Xunit;

namespace Sockwatch.Tests.Verdicts;

public class DetectionsTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void A_kind_keeps_its_number()
    {
        var detections = new Detections(_time);

        var one = detections.NumberOf(1, "One"u8);
        var other = detections.NumberOf(2, "One"u8);

        Assert.NotEqual(one, other);
        Assert.Equal(one, detections.NumberOf(1, "One"u8));
        Assert.Equal(new Detection(2, "One"), detections.Find(other));
        Assert.Null(detections.Find(0));
        Assert.Null(detections.Find(999));
    }

    [Fact]
    public void A_hostile_name_is_made_printable_and_cut()
    {
        var detections = new Detections(_time);

        var name = detections.Find(detections.NumberOf(1, "a\u001b[31mb\nc\u202Ed"u8))!.Value.Name;
        var longName = detections.Find(detections.NumberOf(1, Encoding.UTF8.GetBytes(new string('x', 5000))))!.Value.Name;

        Assert.Equal("a\uFFFD[31mb\uFFFDc\uFFFDd", name);
        Assert.Equal(Detections.MaxNameLength, longName.Length);
        Assert.Equal(Detections.Unnamed, detections.Find(detections.NumberOf(3, ""u8))!.Value.Name);
    }

    [Fact]
    public void What_comes_when_all_numbers_are_taken_shares_the_last_and_is_counted()
    {
        var detections = new Detections(_time, limit: 3);

        var numbers = Enumerable.Range(0, 5).Select(i => detections.NumberOf((uint)i, "name"u8)).ToList();

        Assert.Equal([1, 2, 3, Detections.Other, Detections.Other], numbers);
        Assert.Equal(2, detections.WithoutNumber);
        Assert.Equal(Detections.OtherName, detections.Find(Detections.Other)!.Value.Name);
    }

    [Fact]
    public void A_number_is_given_away_an_hour_after_its_last_list()
    {
        var detections = new Detections(_time, limit: 1);
        detections.NumberOf(1, "old"u8);

        detections.Forget(_ => false);
        Assert.Equal(Detections.Other, detections.NumberOf(1, "new"u8));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.NotNull(detections.Find(1));
        detections.Forget(_ => false);

        Assert.Null(detections.Find(1));
        Assert.Equal(1, detections.NumberOf(1, "new"u8));
    }

    [Fact]
    public void One_that_is_asked_for_anew_is_not_given_away_before_it_is_listed()
    {
        var detections = new Detections(_time, limit: 1);
        detections.NumberOf(1, "old"u8);
        detections.Forget(_ => false);
        _time.Advance(TimeSpan.FromHours(2));

        Assert.Equal(1, detections.NumberOf(1, "old"u8));
        detections.Forget(_ => false);

        Assert.Equal("old", detections.Find(1)!.Value.Name);
    }

    [Fact]
    public void One_that_comes_back_in_time_stays()
    {
        var detections = new Detections(_time, limit: 1);
        detections.NumberOf(1, "old"u8);

        detections.Forget(_ => false);
        _time.Advance(TimeSpan.FromMinutes(59));
        detections.Forget(_ => true);
        _time.Advance(TimeSpan.FromMinutes(59));
        detections.Forget(_ => false);

        Assert.NotNull(detections.Find(1));
    }
}
