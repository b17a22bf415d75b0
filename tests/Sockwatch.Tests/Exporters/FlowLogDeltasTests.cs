using Sockwatch.Exporters;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class FlowLogDeltasTests
{
    [Fact]
    public void The_first_update_counts_from_the_start() =>
        Assert.Equal(100UL, new FlowLogDeltas(10).Update(FlowLogSamples.Plain(1, 100))?.BytesSent);

    [Fact]
    public void A_total_that_came_late_is_no_growth()
    {
        var deltas = new FlowLogDeltas(10);
        deltas.Update(FlowLogSamples.Plain(1, 100));

        Assert.Equal(0UL, deltas.Update(FlowLogSamples.Plain(1, 90))?.BytesSent);
    }

    [Fact]
    public void A_living_flow_is_remembered_while_others_come_and_go()
    {
        var deltas = new FlowLogDeltas(10);
        deltas.Update(FlowLogSamples.Plain(1, 100));

        for (var other = 2UL; other < 1_000; other++)
        {
            deltas.Update(FlowLogSamples.Plain(other, 7));
            if (other % 3 == 0)
            {
                Assert.Equal(1UL, deltas.Update(FlowLogSamples.Plain(1, 100 + (other / 3)))?.BytesSent);
            }
        }
    }

    [Fact]
    public void A_forgotten_flow_has_no_difference_rather_than_a_wrong_one()
    {
        var deltas = new FlowLogDeltas(4);
        for (var flow = 1UL; flow <= 20; flow++)
        {
            deltas.Update(FlowLogSamples.Plain(flow, 100));
        }

        Assert.Null(deltas.Update(FlowLogSamples.Plain(1, 150)));
        Assert.Equal(50UL, deltas.Update(FlowLogSamples.Plain(1, 200))?.BytesSent);
    }
}
