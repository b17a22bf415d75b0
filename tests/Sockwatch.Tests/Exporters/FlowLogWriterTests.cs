using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Xunit;

namespace Sockwatch.Tests.Exporters;

public class FlowLogWriterTests
{
    private const int NoSpace = 28;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Writes_all_that_is_queued_before_it_stops()
    {
        using var output = new FakeOutput();
        using var writer = new FlowLogWriter(new CookieLines(), output, 1_000);
        writer.Start();

        Record(writer, 1, 500);
        await writer.StopAsync(Patience);

        Assert.Equal(Lines(1, 500), output.Text);
        Assert.Equal(500, writer.LinesWritten);
        Assert.Equal(0, writer.QueueFull + writer.WriteFailed);
    }

    [Fact]
    public async Task Counts_what_finds_no_room_and_never_waits()
    {
        using var output = new FakeOutput();
        using var writer = new FlowLogWriter(new CookieLines(), output, 10);

        Record(writer, 1, 25); // Nobody takes them yet.
        writer.Start();
        await writer.StopAsync(Patience);

        Assert.Equal(15, writer.QueueFull);
        Assert.Equal(Lines(1, 10), output.Text);
    }

    [Fact]
    public async Task A_stalled_output_does_not_hold_up_the_end()
    {
        using var output = new FakeOutput();
        var writer = new FlowLogWriter(new CookieLines(), output, 10);
        output.Stall();
        writer.Start();
        Record(writer, 1, 3);

        var stopping = writer.StopAsync(TimeSpan.FromMilliseconds(50));

        await stopping.WaitAsync(Patience, TestContext.Current.CancellationToken);
        output.Continue();
        await writer.Finished.WaitAsync(Patience, TestContext.Current.CancellationToken);
        writer.Dispose();
    }

    [Fact]
    public async Task Ends_after_the_lines_it_was_asked_for()
    {
        using var output = new FakeOutput();
        using var writer = new FlowLogWriter(new CookieLines(), output, 100, maxLines: 3);
        writer.Start();

        Record(writer, 1, 50);
        await writer.Finished.WaitAsync(Patience, TestContext.Current.CancellationToken);

        Assert.Equal(Lines(1, 3), output.Text);
    }

    [Fact]
    public async Task A_full_disk_costs_lines_which_are_counted_and_tears_none_of_the_later_ones()
    {
        var changes = new List<int>();
        using var output = new FakeOutput { Errno = NoSpace, Room = 6 }; // Of "101\n102\n103\n", the first line and half of the second.
        using var writer = new FlowLogWriter(new CookieLines(), output, 100) { OutputChanged = changes.Add };
        Record(writer, 101, 3);
        writer.Start();
        await UntilAsync(() => writer.LinesWritten + writer.WriteFailed == 3);

        output.Errno = 0;
        Record(writer, 1, 1);
        await writer.StopAsync(Patience);

        Assert.Equal("101\n10\n1\n", output.Text);
        Assert.Equal(2, writer.LinesWritten);
        Assert.Equal(2, writer.WriteFailed);
        Assert.Equal([NoSpace, 0], changes);
    }

    [Fact]
    public async Task The_agent_is_told_once_when_the_pipe_breaks_and_goes_on()
    {
        var log = new Messages();
        using var output = new FakeOutput { Errno = LibC.Epipe };
        var failures = new ExportFailures();
        using var flowLog = new FlowLog(new CookieLines(), output, Options.Create(new FlowLogOptions()), log, failures);
        await flowLog.StartAsync(CancellationToken.None);

        for (var i = 1; i <= 3; i++)
        {
            Record(flowLog, 1, 1);
            var lost = i;
            await UntilAsync(() => flowLog.WriteFailed == lost);
        }

        await flowLog.StopAsync(CancellationToken.None);
        Assert.Equal(["The flow log cannot be written to somewhere: Broken pipe. Records are lost and counted until it can"], log.Texts);
        Assert.Equal(
            ["broken_pipe=3", "no_space=0", "write_failed=0"],
            failures.Read().Where(failure => failure.Exporter == "flow_log").Select(failure => $"{failure.Reason}={failure.Count}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_flow_log_that_is_off_takes_records_and_forgets_them()
    {
        using var flowLog = new FlowLog(new CookieLines(), null, Options.Create(new FlowLogOptions()), new Messages());

        await flowLog.StartAsync(CancellationToken.None);
        Record(flowLog, 1, 5);
        await flowLog.StopAsync(CancellationToken.None);

        Assert.Equal(0, flowLog.QueueFull + flowLog.WriteFailed);
    }

    [Fact]
    public void Queueing_a_record_allocates_nothing()
    {
        using var output = new FakeOutput();
        using var writer = new FlowLogWriter(new CookieLines(), output, 1_000);
        Record(writer, 1, 1);
        var record = FlowLogSamples.Plain(1);
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 2_000; i++)
        {
            writer.OnRecord(in record);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_file_is_appended_to()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "before\n");

            using (var output = FlowLogOutput.File(path))
            {
                Assert.Equal(6, output.Write("after\n"u8, out var errno));
                Assert.Equal(0, errno);
            }

            Assert.Equal("before\nafter\n", File.ReadAllText(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_file_that_cannot_be_opened_says_so_in_one_line()
    {
        var failure = Assert.Throws<IOException>(() => FlowLogOutput.File("/nonexistent/flows.json"));

        Assert.Equal("cannot open the flow log /nonexistent/flows.json: No such file or directory", failure.Message);
    }

    [Fact]
    public void A_full_device_reports_its_error()
    {
        using var output = FlowLogOutput.File("/dev/full");

        Assert.Equal(0, output.Write("x\n"u8, out var errno));
        Assert.Equal(NoSpace, errno);
    }

    [Theory]
    [InlineData("-", true, nameof(FlowLogFormat.Auto), nameof(FlowLogFormat.Text))]
    [InlineData("-", false, nameof(FlowLogFormat.Auto), nameof(FlowLogFormat.Json))]
    [InlineData("/var/log/flows", true, nameof(FlowLogFormat.Auto), nameof(FlowLogFormat.Json))]
    [InlineData("-", true, nameof(FlowLogFormat.Json), nameof(FlowLogFormat.Json))]
    [InlineData("/var/log/flows", false, nameof(FlowLogFormat.Text), nameof(FlowLogFormat.Text))]
    public void People_get_text_and_programs_json(string target, bool terminal, string asked, string expected) =>
        Assert.Equal(
            Enum.Parse<FlowLogFormat>(expected),
            FlowLogServices.Resolve(new FlowLogOptions { Target = target, Format = Enum.Parse<FlowLogFormat>(asked) }, terminal));

    private static void Record(IFlowRecordSink sink, ulong first, int count)
    {
        for (var i = 0; i < count; i++)
        {
            sink.OnRecord(FlowLogSamples.Plain(first + (ulong)i));
        }
    }

    private static string Lines(int first, int count) =>
        string.Concat(Enumerable.Range(first, count).Select(number => string.Create(CultureInfo.InvariantCulture, $"{number}\n")));

    private static async Task UntilAsync(Func<bool> condition)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (!condition())
        {
            Assert.True(DateTime.UtcNow < deadline, "the condition was not met in time");
            await Task.Yield();
        }
    }

    private sealed class CookieLines : IFlowLineFormat
    {
        public bool HasLine(in FlowRecord record) => true;

        public bool TryWrite(in FlowRecord record, IBufferWriter<byte> lines)
        {
            Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{record.SocketCookie}\n"), lines);
            return true;
        }
    }

    private sealed class Messages : ILogger<FlowLog>
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Texts.Add(formatter(state, exception));
    }
}
