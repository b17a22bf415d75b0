using Sockwatch.Diagnostics;
using Sockwatch.Tests.Fakes;
using Xunit;

namespace Sockwatch.Tests.Diagnostics;

public sealed class HealthTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Is_ready_only_when_hooks_are_attached_and_a_drain_succeeded()
    {
        var health = new Health(_time);
        Assert.Equal(["first drain: not done yet", "hooks: not attached yet"], health.Missing());

        health.Met(Health.FirstDrain);
        health.NotMet(Health.Hooks, "send: no backend works\nhere");
        Assert.Equal(["hooks: send: no backend works\uFFFDhere"], health.Missing());
        health.Met(Health.Hooks);

        Assert.True(health.IsReady);
    }

    [Fact]
    public void Is_alive_until_a_heart_is_silent_for_longer_than_it_promised()
    {
        var health = new Health(_time);
        Assert.Empty(health.Silent());
        health.Beat("collection", TimeSpan.FromSeconds(60));

        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Empty(health.Silent());
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal("collection: no sign of life", Assert.Single(health.Silent()));
    }
}
