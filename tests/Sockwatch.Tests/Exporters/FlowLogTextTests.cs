using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class FlowLogTextTests
{
    [Fact]
    public void Lines_up_for_people()
    {
        Assert.Equal(
            "10:15:02.123 connect curl[15455]              → 93.184.216.34:443            tcp  12.3 ms\n",
            Line(FlowLogSamples.Tcp(RecordKind.FlowStart)));
        Assert.Equal(
            "10:15:02.123 accept  curl[15455]              ← 93.184.216.34:443            tcp\n",
            Line(FlowLogSamples.Tcp(RecordKind.FlowStart, NetworkRole.Server, SocketOperation.Accept)));
        Assert.Equal(
            "10:15:02.123 end     curl[15455]              → 93.184.216.34:443            tcp  sent 1.2 kB received 34 kB 1.2 s local_close\n",
            Line(FlowLogSamples.Tcp(RecordKind.FlowEnd, endReason: FlowEndReason.LocalClose)));
        Assert.Equal(
            "10:15:02.123 failed  curl[15455]              → 93.184.216.34:443            tcp  connection_refused after 12.3 ms\n",
            Line(FlowLogSamples.Tcp(RecordKind.FlowFailed, error: 111)));
        Assert.Equal(
            "10:15:02.123 start   curl[77]                 → 192.0.2.53:53                udp\n",
            Line(FlowLogSamples.Udp(RecordKind.FlowStart)));
    }

    [Fact]
    public void Leaves_updates_out() => Assert.Equal("", Line(FlowLogSamples.Tcp(RecordKind.FlowUpdate)));

    [Fact]
    public void An_end_by_error_names_the_error() =>
        Assert.EndsWith(" broken_pipe\n", Line(FlowLogSamples.Tcp(RecordKind.FlowEnd, error: 32, endReason: FlowEndReason.Error)), StringComparison.Ordinal);

    [Fact]
    public void Hostile_names_lose_their_teeth()
    {
        var format = new FlowLogText(new FakeNaming { Executable = "a\nb\e[2J", PeerName = "\u202eevil" }, FlowLogSamples.Clock(), TimeZoneInfo.Utc);

        var line = FlowLogSamples.Line(format, FlowLogSamples.Tcp(RecordKind.FlowStart));

        Assert.Contains("a\uFFFDb\uFFFD[2J[15455]", line, StringComparison.Ordinal);
        Assert.Contains("(\uFFFDevil)", line, StringComparison.Ordinal);
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
    }

    private static string Line(in FlowRecord record) =>
        FlowLogSamples.Line(new FlowLogText(new FakeNaming(), FlowLogSamples.Clock(), TimeZoneInfo.Utc), in record);
}
