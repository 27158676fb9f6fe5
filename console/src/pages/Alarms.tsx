export function Alarms() { return null; }
