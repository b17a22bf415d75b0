using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Sockwatch.Configuration;
using Xunit;

namespace Sockwatch.Tests.Configuration;

public class OperatorFormatterTests
{
    [Fact]
    public void Writes_one_readable_line() =>
        Assert.Equal(
            "2026-11-23T10:15:02.123Z INFO  kernel  Attached 9 programs\n",
            Format(LogLevel.Information, "Sockwatch.Kernel.KernelPrograms", "Attached 9 programs"));

    [Fact]
    public void An_exception_is_its_message_and_no_stack() =>
        Assert.Equal(
            "2026-11-23T10:15:02.123Z ERROR reader  Reading ended: the map is gone\n",
            Format(LogLevel.Error, "Sockwatch.Reader.RecordReader", "Reading ended", new InvalidOperationException("the map\nis gone")));

    [Fact]
    public void The_stack_is_there_for_those_who_debug() =>
        Assert.Contains(
            "InvalidOperationException",
            Format(LogLevel.Error, "Sockwatch.Reader.RecordReader", "Reading ended", new InvalidOperationException("gone"), LogLevel.Debug),
            StringComparison.Ordinal);

    [Fact]
    public void A_hostile_name_can_neither_forge_a_line_nor_colour_the_terminal() =>
        Assert.Equal(
            "2026-11-23T10:15:02.123Z WARN  agent  from a b\uFFFD[31m\n",
            Format(LogLevel.Warning, "Sockwatch.Commands.RunCommand", "from a\nb\e[31m"));

    [Theory]
    [InlineData("Microsoft.Hosting.Lifetime", "host")]
    [InlineData("Sockwatch.Aggregation.TrafficCollector", "aggregation")]
    [InlineData("Anything", "agent")]
    public void Names_the_stage(string category, string stage) => Assert.Equal(stage, OperatorFormatter.Stage(category));

    private static string Format(LogLevel level, string category, string message, Exception? failure = null, LogLevel minimum = LogLevel.Information)
    {
        using var text = new StringWriter { NewLine = "\n" };
        var entry = new LogEntry<string>(level, category, default, message, failure, (state, _) => state);
        new OperatorFormatter(new FixedTime(), new LogSwitch(minimum)).Write(in entry, null, text);
        return text.ToString();
    }

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 11, 23, 10, 15, 2, 123, TimeSpan.Zero);
    }
}
