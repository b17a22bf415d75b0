namespace Sockwatch.Exporters;

/// <summary>The listener could not be opened. The message is for people: one line, with the way out.</summary>
internal sealed class ListenException(string message, Exception? cause = null) : Exception(message, cause);
