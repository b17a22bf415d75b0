using Sockwatch.Control;

namespace Sockwatch.Tests.Control;

public sealed class OptionsControlTests
{
    [Fact]
    public async Task What_is_changed_is_in_force_and_marked()
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ClientAsync();

        var before = await AskAsync(client);
        var after = await AskAsync(client, new OptionValue("filters.ignoreIpv6", "true"), new OptionValue("LOG.level", "warn"));

        Assert.Equal(["filters.ignoreIpv6=false", "log.level=info"], before.Options.Select(option => $"{option.Key}={option.Value}"));
        Assert.Equal(["filters.ignoreIpv6=true", "log.level=warn"], after.Options.Select(option => $"{option.Key}={option.Value}"));
        Assert.DoesNotContain(before.Options, option => option.IsChanged);
        Assert.All(after.Options, option => Assert.True(option.IsChanged));
        Assert.True(agent.Switches.IgnoreIpv6);
    }

    [Theory]
    [InlineData("log.level", "loud", "log.level is \"loud\"; expected trace, debug, info, warn or error")]
    [InlineData("log.levle", "info", "unknown key log.levle; did you mean log.level?")]
    [InlineData("kernel.maxEdges", "5", "kernel.maxEdges cannot be changed while the agent runs; set it in the configuration and restart")]
    public async Task One_that_is_wrong_changes_none(string key, string value, string message)
    {
        await using var agent = await ControlledAgent.StartAsync();
        using var client = await agent.ClientAsync();

        var failure = await Assert.ThrowsAsync<ControlException>(() => AskAsync(client, new OptionValue("filters.ignoreIpv6", "true"), new OptionValue(key, value)));

        Assert.Equal(message, failure.Message);
        Assert.False(agent.Switches.IgnoreIpv6);
    }

    private static Task<OptionsReply> AskAsync(ControlClient client, params OptionValue[] set) =>
        client.AskAsync(ControlRequests.Options, new OptionsArguments(set), CancellationToken.None);
}
