using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Sockwatch.Diagnostics;

namespace Sockwatch.Configuration;

/// <summary>
/// One line per message, for operators: <c>2026-11-23T10:15:02.123Z INFO  kernel  Attached …</c>. An exception is its
/// message; its stack is shown at level debug only.
/// </summary>
internal sealed class OperatorFormatter(TimeProvider time, LogSwitch level) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "operator";

    private const int MaxLength = 2_000;

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var message = logEntry.Formatter(logEntry.State, logEntry.Exception);
        if (logEntry.Exception is { } failure)
        {
            message = $"{message}: {PrintableText.Of(failure)}";
        }

        textWriter.Write(time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'.'fff'Z'", CultureInfo.InvariantCulture));
        textWriter.Write($" {Word(logEntry.LogLevel),-5} {Stage(logEntry.Category)}  ");
        textWriter.WriteLine(PrintableText.Of(OneLine(message), MaxLength));
        if (logEntry.Exception is not null && level.Level <= LogLevel.Debug)
        {
            textWriter.WriteLine(logEntry.Exception.ToString());
        }
    }

    /// <summary>The stage a message comes from: the folder of its class.</summary>
    internal static string Stage(string category)
    {
        var parts = category.Split('.');
        return parts switch
        {
            ["Sockwatch", "Configuration" or "Commands", ..] => "agent",
            ["Sockwatch", var stage, _, ..] => stage.ToLowerInvariant(),
            ["Microsoft", ..] => "host",
            _ => "agent",
        };
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Trace => "TRACE",
        LogLevel.Debug => "DEBUG",
        LogLevel.Information => "INFO",
        LogLevel.Warning => "WARN",
        _ => "ERROR",
    };

    private static string OneLine(string message) => message.AsSpan().ContainsAny('\r', '\n')
        ? string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        : message;
}

internal static class OperatorLogging
{
    /// <summary>Messages go to standard error; standard output belongs to flow records.</summary>
    public static ILoggingBuilder AddOperatorLog(this ILoggingBuilder logging, LogSwitch level)
    {
        logging.ClearProviders();
        logging.SetMinimumLevel(LogLevel.Trace);
        logging.AddFilter((category, importance) => level.Writes(category, importance));
        logging.Services.AddSingleton<ConsoleFormatter>(provider =>
            new OperatorFormatter(provider.GetService<TimeProvider>() ?? TimeProvider.System, level));
        logging.AddConsole(console =>
        {
            console.FormatterName = OperatorFormatter.FormatterName;
            console.LogToStandardErrorThreshold = LogLevel.Trace;

            // Whoever reads standard error may stall; the agent must not.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
        return logging;
    }
}
